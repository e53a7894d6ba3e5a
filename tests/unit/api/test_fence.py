"""Fencing: a person's word that a VM is dead is kept, audited, refused when it is wrong, and can be taken back."""

from dataclasses import replace

import pytest

from director.model.names import AgentId
from director.model.sighting import SeenAgent
from tests.unit.api.room import NOW, Room
from tests.unit.api.samples import instance, shop, vm

PATH = "/deployments/shop/instance_groups/web/0/fence"
SETTING = "fence:vm-web-id-0-1"


@pytest.fixture
def silent(room: Room) -> Room:
    """Every agent of the shop has been cut off."""
    shop(room)
    room.agents.known = {one: replace(seen, is_connected=False) for one, seen in room.agents.known.items()}
    return room


async def test_a_fence_is_kept_with_who_when_and_why_and_audited(silent: Room) -> None:
    answer = await silent.ask("PUT", PATH, json={"fence": True, "words": " the rack burnt "})
    assert answer.status_code == 200
    assert answer.json() == {"vm": "vm-web-id-0-1", "cid": "cid-web-id-0-1", "is_fenced": True}
    assert silent.store.settings == {SETTING: {"by": "admin", "at": NOW, "words": "the rack burnt"}}
    (event,) = silent.store.all_events
    assert (event.action, event.object_type, event.object_name) == ("fence", "vm", "vm-web-id-0-1")
    assert (event.user, event.instance, event.context) == ("admin", "web/web-id-0", {"words": "the rack burnt"})


async def test_by_uuid_as_well_and_without_words(silent: Room) -> None:
    path = PATH.replace("/0/", "/web-id-0/")
    assert (await silent.ask("PUT", path, json={"fence": True})).status_code == 200
    assert silent.store.settings[SETTING]["words"] == "No reason was given."


async def test_a_vm_whose_agent_is_connected_is_not_dead(room: Room) -> None:
    shop(room)
    seen = SeenAgent(id=AgentId("agent-web-id-0-1"), is_connected=True, silent_s=0.0)
    room.agents.known = {seen.id: seen}
    answer = await room.ask("PUT", PATH, json={"fence": True})
    assert answer.status_code == 409
    assert "vm-web-id-0-1" in answer.json()["description"]
    assert (room.store.settings, room.store.all_events) == ({}, [])


async def test_a_fence_is_of_the_newest_vm(silent: Room) -> None:
    record = silent.store.records["shop"]
    silent.store.records["shop"] = replace(record, vms=(vm(instance(0), 2), *record.vms))
    assert (await silent.ask("PUT", PATH, json={"fence": True})).json()["vm"] == "vm-web-id-0-2"


async def test_an_instance_without_a_vm_has_nothing_to_fence(silent: Room) -> None:
    silent.store.records["shop"] = replace(silent.store.records["shop"], vms=())
    assert (await silent.ask("PUT", PATH, json={"fence": True})).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/deployments/shop/instance_groups/web/9/fence", {"fence": True}, 404),
        ("/deployments/none/instance_groups/web/0/fence", {"fence": True}, 404),
        ("/deployments/shop/instance_groups/*/*/fence", {"fence": True}, 400),
        (PATH, {}, 400),
        (PATH, {"fence": True, "words": "x" * 501}, 400),
    ],
)
async def test_what_names_no_single_vm_or_says_nothing_is_refused(silent: Room, path, body, status) -> None:
    assert (await silent.ask("PUT", path, json=body)).status_code == status
    assert not silent.store.settings


async def test_a_fence_is_taken_back_once(silent: Room) -> None:
    await silent.ask("PUT", PATH, json={"fence": True})
    assert (await silent.ask("PUT", PATH, json={"fence": False})).json()["is_fenced"] is False
    assert silent.store.settings == {}
    assert [event.action for event in silent.store.all_events] == ["fence", "unfence"]
    again = await silent.ask("PUT", PATH, json={"fence": False})
    assert (again.status_code, "is not fenced" in again.json()["description"]) == (400, True)
