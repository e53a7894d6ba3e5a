"""Gathers what ``director configure nsx-t`` needs: from flags, and from a person where a flag is missing.

Without a terminal nothing is asked: every flag that is missing, and everything wrong with those given, is told at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from director.cli.dialogue import ask_one, ask_secret, ask_text
from director.cli.errors import CommandFailed, Exit
from director.cli.nsxt_files import Choices, Connection, properties_of, wrong_with, wrong_with_range
from director.cli.setup_program import failed_with, put_to_setup
from director.cli.show import Table, say, show
from director.cli.vsphere_answers import parts_of

AUTHS: Final = ("session", "basic", "certificate")
TOPOLOGIES: Final = ("routed", "nat")
RANGE, BLOCK = "a range of its own", "carved from a block"

Seen = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Flags as given, empty where not. Certificates and keys are PEM text; ``trusted`` are fingerprints."""

    hosts: tuple[str, ...] = ()
    auth: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    ca_certificate: str = field(default="", repr=False)
    insecure: bool = False
    trusted: tuple[str, ...] = ()
    tier0: str = ""
    transport_zone: str = ""
    edge_cluster: str = ""
    topology: str = ""
    range: str = ""
    block: str = ""
    pool: str = ""
    network: str = "managed"
    azs: tuple[str, ...] = ()


def gather(given: Given, *, is_asking: bool) -> tuple[Connection, Choices]:
    """Where NSX-T is, and what the network shown is to be like. Raises CommandFailed."""
    if not is_asking and (missing := missing_flags(given)):
        lines = "\n".join(f"  {flag}" for flag in missing)
        message = f"Nobody can be asked here (no terminal, or -n), and these are missing:\n{lines}"
        raise CommandFailed(message, Exit.BAD_INPUT)
    connection, seen = _connect(_asked_login(given) if is_asking else _login(given), given, is_asking=is_asking)
    say(f"{seen['about']} answers.", to_stderr=True)
    for warning in seen["warnings"]:
        say(f"warning: {warning}", to_stderr=True)
    choices = _asked(given, seen) if is_asking else _taken(given, seen)
    if wrong := [*_unknown(choices, seen), *wrong_with(choices)]:
        raise CommandFailed("\n".join(wrong), Exit.BAD_INPUT)
    return connection, choices


def missing_flags(given: Given) -> list[str]:
    """What has no answer of its own and nobody there to give it."""
    missing = [] if given.hosts else ["--host HOST (several times for several managers of one cluster)"]
    if _auth(given) == "certificate":
        missing += [] if given.certificate else ["--certificate FILE"]
        missing += [] if given.key or "PRIVATE KEY" in given.certificate else ["--key FILE"]
    else:
        missing += [] if given.user else ["--user NAME"]
        missing += [] if given.password else ["--password-file FILE or --password-stdin"]
    return missing if given.range or given.block else [*missing, "--range CIDR or --ip-block NAME"]


def _auth(given: Given) -> str:
    return given.auth or ("certificate" if given.certificate else "session")


def _login(given: Given) -> Connection:
    return Connection(
        hosts=given.hosts,
        auth=_auth(given),
        user=given.user,
        password=given.password,
        certificate=given.certificate,
        key=given.key,
        ca_certificate=given.ca_certificate,
        is_verified=not given.insecure,
    )


def _asked_login(given: Given) -> Connection:
    """A certificate comes only by flags: it is a file."""
    found = _login(given)
    if not found.hosts:
        answer = ask_text("NSX managers (host or host:port, several separated by commas)")
        found = replace(found, hosts=parts_of(answer))
    if found.auth == "certificate":
        if missing := missing_flags(replace(given, hosts=found.hosts, range="-")):
            raise CommandFailed(f"A client certificate needs {' and '.join(missing)}.", Exit.BAD_INPUT)
        return found
    if not given.auth:
        found = replace(
            found, auth=ask_one("Log in once (session) or with each request (basic)", AUTHS[:2], default="session")
        )
    user = found.user or ask_text("The director's account there", default="admin")
    return replace(found, user=user, password=found.password or ask_secret("Its password"))


def _connect(connection: Connection, given: Given, *, is_asking: bool) -> tuple[Connection, Seen]:
    """What NSX-T has to choose from; a certificate nobody vouches for is trusted only by its fingerprint."""
    answer = put_to_setup(_question("look", connection))
    shown = (answer.get("problem") or {}).get("certificates") or []
    if shown and _trusts(shown, given, is_asking=is_asking):
        connection = replace(connection, ca_certificate="".join(one["pem"] for one in shown))
        answer = put_to_setup(_question("look", connection))
    if problem := answer.get("problem"):
        raise failed_with(problem)
    return connection, answer


def check(connection: Connection) -> list[dict[str, Any]]:
    """The findings of NSX-T's own examination. Raises CommandFailed."""
    answer = put_to_setup(_question("check", connection))
    if problem := answer.get("problem"):
        raise failed_with(problem)
    return list(answer["findings"])


def _question(do: str, connection: Connection) -> dict[str, Any]:
    return {
        "at": "nsxt",
        "do": do,
        "host": ", ".join(connection.hosts),
        "properties": properties_of(connection),
    }


def _trusts(shown: Sequence[Mapping[str, str]], given: Given, *, is_asking: bool) -> bool:
    if given.trusted:
        known = {one.upper().replace(":", "") for one in given.trusted}
        return all(one["fingerprint"].replace(":", "") in known for one in shown)
    if not is_asking:
        return False
    say("Nobody vouches for these certificates. Compare with `get certificate api thumbprint` at a manager's console:")
    for one in shown:
        say(f"  {one['host']}: SHA-256 {one['fingerprint']}")
    return ask_one("Trust them (yes, no)", ["yes", "no"], default="no") == "yes"


def _taken(given: Given, seen: Seen) -> Choices:
    """From flags alone; what there is one of needs no flag."""
    pool = given.pool
    topology = given.topology or ("nat" if pool else "routed")
    return Choices(
        tier0=given.tier0 or _only("--tier0", seen["tier0s"]),
        transport_zone=given.transport_zone or _overlay(seen),
        edge_cluster=given.edge_cluster or _first_of_one(seen["edge_clusters"]),
        topology=topology,
        range=given.range,
        block=given.block,
        pool=pool or (_first_of_one(seen["ip_pools"]) if topology == "nat" else ""),
        network=given.network,
        azs=given.azs or ("z1",),
    )


def _asked(given: Given, seen: Seen) -> Choices:
    """Each flag that was not given is a question, with what NSX-T has to choose from."""
    tier0 = given.tier0 or _choose("Tier-0", "tier0s", seen)
    zone = given.transport_zone or _choose("Transport zone", "transport_zones", seen, default=_overlay(seen))
    edges = given.edge_cluster or _choose("Edge cluster", "edge_clusters", seen)
    topology = given.topology or ask_one(
        "Topology (routed, nat)", TOPOLOGIES, default="nat" if given.pool else "routed"
    )
    pool = given.pool or (_choose("Pool of addresses outside", "ip_pools", seen) if topology == "nat" else "")
    range_, block = given.range, given.block
    if not (range_ or block):
        question = f"Addresses: {RANGE} (1), or {BLOCK} (2)"
        is_carved = bool(seen["ip_blocks"]) and ask_one(question, [RANGE, BLOCK], default="1") == BLOCK
        block = _choose("Block of addresses", "ip_blocks", seen) if is_carved else ""
        range_ = "" if block else ask_text("Addresses of the network (such as 10.20.0.0/24)", check=_check_range)
    return Choices(
        tier0=tier0,
        transport_zone=zone,
        edge_cluster=edges,
        topology=topology,
        range=range_,
        block=block,
        pool=pool,
        network=given.network,
        azs=given.azs or parts_of(ask_text("AZs of the network", default="z1")),
    )


def _check_range(text: str) -> str:
    return " ".join(wrong_with_range(text)).replace("--range ", "")


def _choose(what: str, key: str, seen: Seen, *, default: str = "") -> str:
    names = [one["name"] for one in seen[key]]
    if not names:
        say(f"{what}: NSX-T has none.")
        return ""
    rows = [{"n": str(number), **one} for number, one in enumerate(seen[key], 1)]
    show(Table(content=what.lower() + "s", header={"n": "#", "name": what, "about": ""}, rows=rows), as_json=False)
    return ask_one(f"{what} (number or name)", names, default=default or (names[0] if len(names) == 1 else ""))


def _only(flag: str, found: Sequence[Mapping[str, str]]) -> str:
    """The only one. Raises CommandFailed when there are several."""
    names = [one["name"] for one in found]
    if len(names) > 1:
        raise CommandFailed(f"There are several; say which with {flag}: {', '.join(names)}.", Exit.BAD_INPUT)
    return names[0] if names else ""


def _first_of_one(found: Sequence[Mapping[str, str]]) -> str:
    return found[0]["name"] if len(found) == 1 else ""


def _overlay(seen: Seen) -> str:
    """The only overlay zone; with several, NSX's own default is left to do."""
    names = [one["name"] for one in seen["transport_zones"] if "OVERLAY" in one["about"]]
    return names[0] if len(names) == 1 else ""


def _unknown(choices: Choices, seen: Seen) -> list[str]:
    asked = (
        ("tier-0", choices.tier0, "tier0s"),
        ("transport zone", choices.transport_zone, "transport_zones"),
        ("edge cluster", choices.edge_cluster, "edge_clusters"),
        ("ip block", choices.block, "ip_blocks"),
        ("ip pool", choices.pool, "ip_pools"),
    )
    wrong = [] if choices.tier0 else ["There is no tier-0: managed networks reach the world through one."]
    for kind, name, key in asked:
        names = [one["name"] for one in seen[key]]
        if name and name not in {*names, *(one["id"] for one in seen[key])}:
            wrong.append(f'There is no {kind} "{name}"; there are: {", ".join(names) or "none"}.')
    return wrong
