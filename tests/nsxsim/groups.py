"""Who is in a group: conditions on tags and names, external ids, paths, addresses, nested groups. Reference 5.7.

Membership is worked out a moment (`group_lag_s`) after something changed; until then what was asked before is answered.

    groups = sim.rooms["groups"]
    groups.members(path)        Members of a group, direct ones and what follows from them
    groups.having(...)          paths of groups with that member
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from tests.nsxsim.inventory import Inventory
from tests.nsxsim.machines import Machine
from tests.nsxsim.problems import Json
from tests.nsxsim.settings import Settings
from tests.nsxsim.tree import Node

if TYPE_CHECKING:
    from tests.nsxsim.sim import Sim

Settings.declare("group_lag_s", 0.1, "how long until a group's members follow a change")

_OF_INTEREST: Final = frozenset({"Group", "Segment", "SegmentPort"})
_SEGMENT: Final = frozenset({"Segment", "LogicalSwitch"})
_PORT: Final = frozenset({"SegmentPort", "LogicalPort"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """External ids of VMs and VIFs' attachment ids; paths of ports, segments and groups; addresses as text."""

    vms: frozenset[str] = frozenset()
    vifs: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()

    def __or__(self, other: "Members") -> "Members":
        return Members(**{name: getattr(self, name) | getattr(other, name) for name in self.__slots__})

    def __and__(self, other: "Members") -> "Members":
        return Members(**{name: getattr(self, name) & getattr(other, name) for name in self.__slots__})


NOBODY: Final = Members()


class Groups:
    def __init__(self, sim: "Sim", inventory: Inventory) -> None:
        self.sim, self.inventory = sim, inventory
        self._known: dict[str, Members] = {}
        self._changed_at: float | None = None
        sim.tree.listen(self._heard)
        inventory.listen(self._note)

    def members(self, path: str) -> Members:
        """Of a group that is there, as worked out last."""
        self._refresh()
        if path not in self._known:
            self._known[path] = NOBODY if self._changed_at is not None else self._effective(path)
        return self._known[path]

    def having(self, is_member: Callable[[Members], bool]) -> list[Node]:
        """Groups of which it is true, by path."""
        everybody = sorted(self.sim.tree.of_kind("Group"), key=lambda node: node.path)
        return [node for node in everybody if is_member(self.members(node.path))]

    def _heard(self, _path: str, before: Json | None, after: Json | None) -> None:
        if (after or before or {}).get("resource_type") in _OF_INTEREST:
            self._note()

    def _note(self) -> None:
        if self._changed_at is None:
            self._changed_at = self.sim.clock.now()

    def _refresh(self) -> None:
        since = self._changed_at
        if since is not None and self.sim.clock.now() >= since + self.sim.settings.group_lag_s:
            self._changed_at = None
            self._known.clear()

    def _effective(self, path: str) -> Members:
        return self._followed(self._direct(path, frozenset()))

    def _direct(self, path: str, above: frozenset[str]) -> Members:
        """`above` are the groups that led here: one that contains itself adds nothing."""
        body = self.sim.tree.get(path)
        if body is None or path in above:
            return NOBODY
        return self._expressions(body.get("expression") or [], above | {path})

    def _expressions(self, listed: Sequence[Json], above: frozenset[str]) -> Members:
        """AND binds closer than OR."""
        found, term = NOBODY, None
        for index in range(0, len(listed), 2):
            operand = self._operand(listed[index], above)
            joins = index > 0 and listed[index - 1].get("conjunction_operator") == "AND"
            if term is not None and not joins:
                found |= term
            term = term & operand if term is not None and joins else operand
        return found | term if term is not None else found

    def _operand(self, one: Json, above: frozenset[str]) -> Members:
        match one["resource_type"]:
            case "Condition":
                return self._condition(one, above)
            case "ExternalIDExpression":
                ids = frozenset(one.get("external_ids") or ())
                return Members(vms=ids) if one["member_type"] == "VirtualMachine" else Members(vifs=ids)
            case "PathExpression":
                return self._paths(one.get("paths") or (), above)
            case "IPAddressExpression":
                return Members(addresses=frozenset(one.get("ip_addresses") or ()))
            case "NestedExpression":
                return self._expressions(one.get("expressions") or [], above)
            case _:
                return NOBODY

    def _paths(self, paths: Iterable[str], above: frozenset[str]) -> Members:
        found = NOBODY
        for path in paths:
            kind = (self.sim.tree.get(path) or {}).get("resource_type")
            if kind == "Segment":
                found |= Members(segments=frozenset({path}))
            elif kind == "SegmentPort":
                found |= Members(ports=frozenset({path}))
            elif kind == "Group":
                found |= replace(self._direct(path, above), groups=frozenset({path}))
        return found

    def _condition(self, one: Json, above: frozenset[str]) -> Members:
        kind = one["member_type"]
        if kind == "VirtualMachine":
            known = self.inventory.machines.values()
            return Members(vms=frozenset(vm.external_id for vm in known if self._is_vm(one, vm)))
        if kind in _SEGMENT:
            return Members(segments=self._tagged(one, "Segment"))
        if kind in _PORT:
            return Members(ports=self._tagged(one, "SegmentPort"))
        if kind == "Group":
            return self._paths(sorted(self._tagged(one, "Group") - above), above)
        return NOBODY

    def _is_vm(self, one: Json, vm: Machine) -> bool:
        if one["key"] == "Tag":
            return is_tagged(one, self.inventory.tags_of(vm.external_id))
        said = {"Name": vm.name, "ComputerName": vm.computer_name, "OSName": vm.os_name}.get(one["key"])
        return said is not None and compares(one["operator"], said, one["value"])

    def _tagged(self, one: Json, kind: str) -> frozenset[str]:
        found = self.sim.tree.of_kind(kind)
        if one["key"] == "Tag":
            return frozenset(node.path for node in found if is_tagged(one, node.body.get("tags") or ()))
        if one["key"] == "Name":
            return frozenset(
                node.path for node in found if compares(one["operator"], node.body["display_name"], one["value"])
            )
        return frozenset()

    def _followed(self, direct: Members) -> Members:
        """With the ports of segments and VMs, the VMs of ports and VIFs, and everybody's addresses."""
        tree, machines = self.sim.tree, self.inventory.machines
        vifs = set(direct.vifs) | {nic.vif for vm in direct.vms if vm in machines for nic in machines[vm].nics}
        ports = set(direct.ports) | {self.inventory.ports[vif] for vif in vifs if vif in self.inventory.ports}
        for segment in direct.segments:
            ports |= {node.path for node in tree.children(segment, "ports")}
        bodies = [body for path in ports if (body := tree.get(path)) is not None]
        owners = [vm for body in bodies if (vm := self.inventory.machine_of(body)) is not None]
        return replace(
            direct,
            vms=frozenset(vm for vm in direct.vms if vm in machines) | {vm.external_id for vm in owners},
            vifs=frozenset(vifs)
            | {body["attachment"]["id"] for body in bodies if (body.get("attachment") or {}).get("id")},
            ports=frozenset(body["path"] for body in bodies),
            addresses=direct.addresses | frozenset(self._addresses(bodies, vifs)),
        )

    def _addresses(self, ports: Iterable[Json], vifs: set[str]) -> Iterator[str]:
        attached = set(vifs)
        for port in ports:
            attached.add(str((port.get("attachment") or {}).get("id")))
            yield from (each["ip_address"] for each in port.get("address_bindings") or () if each.get("ip_address"))
        for machine in self.inventory.machines.values():
            for nic in machine.nics:
                if nic.vif in attached:
                    yield from nic.addresses


def compares(operator: str, said: str, wanted: str) -> bool:
    """Without regard to case, as NSX does for names."""
    said, wanted = said.lower(), wanted.lower()
    match operator:
        case "EQUALS":
            return said == wanted
        case "NOTEQUALS":
            return said != wanted
        case "CONTAINS":
            return wanted in said
        case "STARTSWITH":
            return said.startswith(wanted)
        case "ENDSWITH":
            return said.endswith(wanted)
        case "IN":
            return said in wanted.split(",")
        case "NOTIN":
            return said not in wanted.split(",")
        case "MATCHES":
            return fnmatchcase(said, wanted)
        case _:
            return False


def is_tagged(one: Json, tags: Iterable[Json]) -> bool:
    """The value is `scope|tag`, where either side may be empty for any; without a bar it is a tag."""
    scope, bar, tag = str(one["value"]).partition("|")
    if not bar:
        scope, tag = "", scope
    operator, scopes = one["operator"], one.get("scope_operator") or "EQUALS"
    fits = (
        (not scope or compares(scopes, str(each.get("scope") or ""), scope))
        and (not tag or compares("EQUALS" if operator == "NOTEQUALS" else operator, str(each.get("tag") or ""), tag))
        for each in tags
    )
    return not any(fits) if operator == "NOTEQUALS" else any(fits)


def install(sim: "Sim") -> None:
    sim.rooms["groups"] = Groups(sim, sim.rooms["inventory"])
