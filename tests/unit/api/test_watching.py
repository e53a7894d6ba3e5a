"""``GET /watch`` and ``/deployments/:d/watch``: what is asked for, what is stored, what is refused."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from director.model.deployment import Count
from director.model.names import DeploymentName
from director.model.steady import Directory, Git, Mode, State, policy_of, setting_of
from director.ports.alerts import NO_ALERTS
from director.reconcile.drift import DriftReport
from director.reconcile.steady import Steady
from tests.unit.api.room import NOW, Room
from tests.unit.api.samples import shop

WATCH = "/deployments/shop/watch"


class NoSources:
    async def forget(self, deployment):
        return None


@pytest.fixture
def kept(room: Room):
    """The room, with a deployment and somebody who keeps it; nothing runs."""
    shop(room)

    async def no_drift():
        return DriftReport()

    room.driver.listen = lambda wake: None
    world = SimpleNamespace(store=room.store, clock=room.clock, alerts=NO_ALERTS)
    steady = Steady(world=world, tasks=room.driver, sources=NoSources(), drift=no_drift)
    room.app.state.services = replace(room.app.state.services, steady=steady)
    return room


def stored(room):
    return policy_of(DeploymentName("shop"), room.store.settings[setting_of("shop")])


async def test_nothing_is_watched_unless_asked_for(kept):
    assert await kept.get("/watch") == {"watch": []}
    answer = await kept.ask("GET", WATCH)
    assert (answer.status_code, answer.json()["code"]) == (404, 70000)


async def test_the_defaults_propose_from_the_manifest_deployed_last_and_delete_nothing(kept):
    assert (await kept.ask("PUT", WATCH, json={})).status_code == 204
    policy = stored(kept)
    assert (policy.mode, policy.changes_max, policy.allows_deletes) == (Mode.PROPOSE, None, False)
    (row,) = (await kept.get("/watch"))["watch"]
    assert row["state"] == State.NEW.value
    assert row["source"] == {"kind": "recorded", "text": "the manifest deployed last"}
    assert (row["by"], row["since"]) == ("admin", "2023-11-14T22:13:20Z")


async def test_all_that_can_be_asked_for_is_stored(kept):
    source = {"kind": "git", "url": "https://host.example/r.git", "branch": "prod", "path": "/deployments/"}
    body = {
        "mode": "apply",
        "max_changes": "25%",
        "deletes": True,
        "configs": "deployed",
        "every": 60,
        "source": source,
    }
    assert (await kept.ask("PUT", WATCH, json=body)).status_code == 204
    policy = stored(kept)
    assert policy.source == Git(url="https://host.example/r.git", branch="prod", path="deployments")
    assert (policy.mode, policy.changes_max, policy.allows_deletes) == (Mode.APPLY, Count(percent=25), True)
    assert (policy.uses_latest, policy.every_s, policy.by, policy.since) == (False, 60.0, "admin", NOW)
    shown = await kept.get(WATCH)
    assert shown["source"]["text"] == "https://host.example/r.git#prod:deployments"
    assert shown["plan"] == ""


async def test_it_is_switched_off_again_and_both_are_in_the_audit_trail(kept):
    await kept.ask("PUT", WATCH, json={"source": {"kind": "directory", "path": "/srv/m"}})
    assert stored(kept).source == Directory(path="/srv/m")
    assert (await kept.ask("DELETE", WATCH)).status_code == 204
    assert await kept.get("/watch") == {"watch": []}
    assert not kept.store.settings[setting_of("shop")]
    assert [(e.user, e.action, e.object_name) for e in kept.store.all_events] == [
        ("admin", "watch", "shop"),
        ("admin", "unwatch", "shop"),
    ]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_deployment_that_does_not_exist_is_refused_by_its_name(kept, method):
    answer = await kept.ask(method, "/deployments/none/watch")
    assert (answer.status_code, answer.json()["code"]) == (404, 70000)
    assert "none" in answer.json()["description"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"mode": "always"}, "mode"),
        ({"configs": "newest"}, "configs"),
        ({"max_changes": "many"}, "max_changes"),
        ({"max_changes": "0"}, "below 1"),
        ({"every": 1}, "5 seconds or more"),
        ({"every": "often"}, "every"),
        ({"source": {"kind": "ftp"}}, "kind"),
        ({"source": {"kind": "git"}}, "url"),
        ({"source": {"kind": "git", "url": "https://u:hunter2@h/r"}}, "credentials"),
        ({"source": {"kind": "directory", "path": "here"}}, "absolute"),
    ],
)
async def test_what_cannot_be_kept_to_is_refused_in_words(kept, body, words):
    answer = await kept.ask("PUT", WATCH, json=body)
    assert answer.status_code == 400
    assert words in answer.json()["description"]
    assert "hunter2" not in answer.text
    assert kept.store.settings == {}


async def test_a_config_that_is_written_or_deleted_wakes_whoever_keeps_deployments(kept):
    steady = kept.app.state.services.steady
    content = "azs: [{name: z1}]\n"
    body = {"type": "notes", "name": "a", "content": content}
    assert (await kept.ask("POST", "/configs", json=body)).status_code < 300
    async with asyncio.timeout(1):
        await steady._poked.wait()
    steady._poked.clear()
    assert (await kept.ask("DELETE", "/configs?type=notes&name=a")).status_code == 204
    assert steady._poked.is_set()


async def test_all_of_it_demands_credentials(kept):
    async with kept.client(auth=None) as client:
        assert [(await client.get(path)).status_code for path in ("/watch", WATCH)] == [401, 401]
