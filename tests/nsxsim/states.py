"""What realisation looks like from outside: realized-state, consolidated status, /state of segments and gateways."""

from tests.nsxsim import reads
from tests.nsxsim.problems import Json, absent
from tests.nsxsim.routes import Call, action, computed
from tests.nsxsim.tree import Node

EP = "/infra/sites/default/enforcement-points/default"


@computed("/infra/realized-state/realized-entities")
def realized_entities(call: Call) -> Json:
    """Empty for an intent that is not there or not begun, as the real one answers."""
    path = call.needed("intent_path")
    return reads.page(call, call.sim.realisation.entities(path), lambda each: each)


@computed("/infra/realized-state/realized-entity")
def realized_entity(call: Call) -> Json:
    wanted = call.needed("realized_path")
    for state in call.sim.realisation.states.values():
        for entity in state.entities:
            if entity["path"] == wanted:
                return entity
    raise absent(wanted)


@action("/infra/realized-state/realized-entity", "refresh")
def refresh(call: Call) -> None:
    call.sim.realisation.again(call.needed("intent_path"))


@computed("/infra/realized-state/status")
def status(call: Call) -> Json:
    path = call.needed("intent_path")
    node = call.sim.tree.nodes.get(path)
    if node is None:
        raise absent(path)
    word, publish = _words(call, node)
    consolidated = {"consolidated_status": word}
    said: Json = {
        "intent_path": path,
        "intent_version": str(node.body["_revision"]),
        "publish_status": publish,
        "consolidated_status": consolidated,
        "consolidated_status_per_enforcement_point": [
            {
                "resource_type": "ConsolidatedStatusPerEnforcementPoint",
                "enforcement_point_id": "default",
                "enforcement_point_path": EP,
                "site_path": "/infra/sites/default",
                "consolidated_status": consolidated,
            }
        ],
    }
    return said


@computed("/infra/realized-state/alarms")
def alarms(call: Call) -> Json:
    """Every alarm of every realised entity."""
    states = call.sim.realisation.states.values()
    return reads.page(call, [alarm for s in states for entity in s.entities for alarm in entity["alarms"]], dict)


def _words(call: Call, node: Node) -> tuple[str, str]:
    """(consolidated, publish) status. Kinds that are never realised are at once."""
    if node.pending:
        return "IN_PROGRESS", "UNREALIZED"
    if node.kind is None or not node.kind.entities:
        return "SUCCESS", "REALIZED"
    states = {each["state"] for each in call.sim.realisation.entities(node.path)}
    if not states:
        return "UNINITIALIZED", "UNREALIZED"
    if "ERROR" in states:
        return "ERROR", "ERROR"
    return ("SUCCESS", "REALIZED") if states == {"REALIZED"} else ("IN_PROGRESS", "UNREALIZED")


def state_word(call: Call, path: str) -> str:
    """pending, in_progress, failed or success, the way /state answers say it. 404 for an absent object."""
    node = call.sim.tree.node(path)
    if node is None:
        raise absent(path)
    word, _ = _words(call, node)
    return {"UNINITIALIZED": "pending", "IN_PROGRESS": "in_progress", "ERROR": "failed"}.get(word, "success")


def _failures(call: Call, path: str) -> Json:
    alarms = [alarm for entity in call.sim.realisation.entities(path) for alarm in entity["alarms"]]
    if not alarms:
        return {}
    return {"failure_code": alarms[0]["error_details"]["error_code"], "failure_message": alarms[0]["message"]}


def _segment_state(call: Call, path: str) -> Json:
    return {"segment_path": path, "state": state_word(call, path), "details": [], **_failures(call, path)}


@computed("/infra/segments/*/state")
def segment_state(call: Call, segment: str) -> Json:
    return _segment_state(call, f"/infra/segments/{segment}")


@computed("/infra/tier-1s/*/segments/*/state")
def fixed_segment_state(call: Call, tier1: str, segment: str) -> Json:
    return _segment_state(call, f"/infra/tier-1s/{tier1}/segments/{segment}")


def _port_state(call: Call, path: str) -> Json:
    node = call.sim.tree.node(path)
    if node is None:
        raise absent(path)
    attachment = node.body.get("attachment") or {}
    return {
        "logical_port_id": node.body["realization_id"],
        "attachment": {"state": "ATTACHED" if attachment.get("id") else "DETACHED", "id": attachment.get("id", "")},
        "realized_bindings": [],
        "discovered_bindings": [],
        "duplicate_bindings": [],
    }


@computed("/infra/segments/*/ports/*/state")
def port_state(call: Call, segment: str, port: str) -> Json:
    return _port_state(call, f"/infra/segments/{segment}/ports/{port}")


@computed("/infra/tier-1s/*/segments/*/ports/*/state")
def fixed_port_state(call: Call, tier1: str, segment: str, port: str) -> Json:
    return _port_state(call, f"/infra/tier-1s/{tier1}/segments/{segment}/ports/{port}")


@computed("/infra/segments/*/ports/*/status")
def port_status(call: Call, segment: str, port: str) -> Json:
    path = f"/infra/segments/{segment}/ports/{port}"
    said = state_word(call, path)
    return {
        "logical_port_id": call.sim.tree.nodes[path].body["realization_id"],
        "status": "UP" if said == "success" else "DOWN",
    }


@computed("/infra/tier-1s/*/state")
def tier1_state(call: Call, tier1: str) -> Json:
    path = f"/infra/tier-1s/{tier1}"
    word = state_word(call, path)
    return {"tier1_state": {"state": word, "details": [], **_failures(call, path)}, "tier1_status": {}}


@computed("/infra/tier-0s/*/state")
def tier0_state(call: Call, tier0: str) -> Json:
    path = f"/infra/tier-0s/{tier0}"
    word = state_word(call, path)
    return {"tier0_state": {"state": word, "details": [], **_failures(call, path)}}


@action("/infra/tier-1s/*", "reprocess")
def reprocess(call: Call, tier1: str) -> None:
    path = f"/infra/tier-1s/{tier1}"
    if call.sim.tree.node(path) is None:
        raise absent(path)
    call.sim.realisation.again(path)
