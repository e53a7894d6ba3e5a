"""Configs: checked when uploaded, versioned, guarded against a lost update, compared."""

import pytest

from director.model.problem import Problem
from tests.unit.api.room import NOW, Room
from tests.unit.api.samples import CLOUD, shop


async def test_a_cloud_config_is_kept_and_shown_as_it_was_sent(room: Room) -> None:
    assert await room.get("/cloud_configs?limit=1") == []
    answer = await room.ask("POST", "/cloud_configs?name=", content=CLOUD, headers={"Content-Type": "text/yaml"})
    assert answer.status_code == 201
    assert await room.get("/cloud_configs?name=&limit=1") == [
        {"name": "default", "properties": CLOUD, "created_at": "2023-11-14T22:13:20Z"}
    ]
    assert [(e.action, e.object_type, e.object_name) for e in room.store.all_events] == [
        ("create", "cloud-config", "default")
    ]


async def test_the_same_text_again_makes_no_new_version_and_no_event(room: Room) -> None:
    for text in (CLOUD, CLOUD, CLOUD + "# new\n"):
        assert (await room.ask("POST", "/cloud_configs", content=text)).status_code == 201
    assert len(room.store.all_configs) == 2
    assert [e.action for e in room.store.all_events] == ["create", "update"]


@pytest.mark.parametrize(
    "text", ["{}", "networks: 5", "azs: [{name: a}, {name: a}]", "[", "- a", CLOUD.replace("workers: 1", "workers: 0")]
)
async def test_a_broken_cloud_config_is_refused_when_it_is_uploaded(room: Room, text: str) -> None:
    answer = await room.ask("POST", "/cloud_configs", content=text)
    assert answer.status_code == 400
    assert answer.json()["problems"]
    assert not room.store.all_configs


@pytest.mark.parametrize("route", ["/cloud_configs", "/cloud_configs/diff"])
async def test_problems_name_the_file_that_the_operator_named(room: Room, route: str) -> None:
    answer = await room.ask("POST", f"{route}?source=my/cloud.yml", content="networks: [")
    assert answer.status_code == 400
    assert [problem["file"] for problem in answer.json()["problems"]] == ["my/cloud.yml"]


async def test_by_its_general_address_a_cloud_config_is_checked_as_well(room: Room) -> None:
    body = {"type": "cloud", "name": "default", "content": "networks: 5"}
    assert (await room.ask("POST", "/configs", json=body)).status_code == 400


async def test_an_unknown_key_warns_and_with_strict_refuses(room: Room) -> None:
    text = CLOUD + "colour: red\n"
    answer = await room.ask("POST", "/cloud_configs", content=text)
    assert answer.status_code == 201
    assert any("colour" in warning["detail"] for warning in answer.json()["warnings"])
    assert (await room.ask("POST", "/cloud_configs?strict=true&name=other", content=text)).status_code == 400


async def test_any_other_type_must_be_a_map(room: Room) -> None:
    body = {"type": "mine", "name": "a", "content": "x: 1"}
    answer = await room.ask("POST", "/configs", json=body)
    assert answer.status_code == 201
    assert answer.json().keys() == {"id", "type", "name", "content", "created_at", "team", "current", "warnings"}
    assert answer.json()["id"] == "1"
    for content in ("just text", "- a", "a: [", ""):
        assert (await room.ask("POST", "/configs", json={**body, "content": content})).status_code == 400


async def test_a_stale_expected_id_is_412_and_names_the_latest(room: Room) -> None:
    body = {"type": "mine", "name": "a", "content": "x: 1"}
    assert (await room.ask("POST", "/configs", json={**body, "expected_latest_id": "0"})).status_code == 201
    answer = await room.ask("POST", "/configs", json={**body, "content": "x: 2", "expected_latest_id": "0"})
    assert answer.status_code == 412
    assert answer.json().items() >= {"latest_id": "1", "expected_latest_id": "0"}.items()
    again = await room.ask("POST", "/configs", json={**body, "content": "x: 2", "expected_latest_id": 1})
    assert again.status_code == 201


async def test_versions_are_listed_newest_first_up_to_the_limit(room: Room) -> None:
    for number in range(3):
        await room.store.add_config("mine", "a", f"x: {number}", NOW)
    await room.store.add_config("mine", "b", "y: 1", NOW)
    assert [c["id"] for c in await room.get("/configs?type=mine&name=a&limit=2")] == ["3", "2"]
    assert [c["id"] for c in await room.get("/configs?latest=true")] == ["4", "3"]
    assert [c["current"] for c in await room.get("/configs?type=mine&name=a&limit=2")] == [True, False]


async def test_a_config_is_shown_and_deleted_by_id(room: Room) -> None:
    await room.store.add_config("mine", "a", "x: 1", NOW)
    assert (await room.get("/configs/1"))["content"] == "x: 1"
    assert (await room.ask("DELETE", "/configs/1")).status_code == 204
    for method in ("GET", "DELETE"):
        answer = await room.ask(method, "/configs/1")
        assert (answer.status_code, answer.json()["code"]) == (404, 440012)
    assert (await room.ask("GET", "/configs/x")).status_code == 404


async def test_all_versions_are_deleted_by_type_and_name(room: Room) -> None:
    for number in range(2):
        await room.store.add_config("mine", "a", f"x: {number}", NOW)
    assert (await room.ask("DELETE", "/configs?type=mine&name=a")).status_code == 204
    assert not room.store.all_configs
    assert (await room.ask("DELETE", "/configs?type=mine&name=a")).status_code == 404
    assert (await room.ask("DELETE", "/configs")).status_code == 404


async def test_a_difference_tells_what_it_was_compared_with(room: Room) -> None:
    body = {"type": "mine", "name": "a", "content": "x: 2"}
    first = (await room.ask("POST", "/configs/diff", json=body)).json()
    assert first == {"diff": [["x: 2", "added"]], "from": {"id": "0"}}
    await room.store.add_config("mine", "a", "x: 1", NOW)
    second = (await room.ask("POST", "/configs/diff", json=body)).json()
    assert second == {"diff": [["x: 1", "removed"], ["x: 2", "added"]], "from": {"id": "1"}}


async def test_two_configs_are_compared_by_id_or_content(room: Room) -> None:
    await room.store.add_config("mine", "a", "x: 1", NOW)
    body = {"from": {"id": "1", "content": ""}, "to": {"id": "", "content": "x: 1"}}
    assert (await room.ask("POST", "/configs/diff", json=body)).json() == {"diff": []}
    assert (await room.ask("POST", "/configs/diff", json={**body, "to": {}})).status_code == 400
    answer = await room.ask("POST", "/configs/diff", json={**body, "from": {"id": "9"}})
    assert (answer.status_code, answer.json()["code"]) == (404, 440012)


async def test_a_cloud_config_is_compared_by_its_own_address(room: Room) -> None:
    answer = await room.ask("POST", "/cloud_configs/diff", content="azs: [{name: z1}]")
    assert answer.json()["diff"] == [["azs:", "added"], ["- name: z1", "added"]]
    assert (await room.ask("POST", "/cloud_configs/diff", content="[")).status_code == 400


async def test_which_configs_a_deployment_uses(room: Room) -> None:
    record = shop(room)
    config = await room.store.add_config("cloud", "default", CLOUD, NOW)
    object.__setattr__(record.deployment, "config_ids", (config.id, 99))
    rows = await room.get("/deployment_configs?deployment[]=shop&deployment[]=none")
    assert rows == [{"id": 1, "deployment": "shop", "config": {"id": 1, "type": "cloud", "name": "default"}}]


async def test_a_cpi_config_whose_properties_no_infrastructure_takes_is_refused(room: Room) -> None:
    room.cpi_problems = [Problem(code="x", summary="Wrong", detail='CPI "east": host is missing.', fix="name it.")]
    body = {"type": "cpi", "name": "default", "content": "cpis: [{name: east, type: vsphere}]"}
    async with room.client() as client:
        answer = await client.post("/configs", json=body)
    assert answer.status_code == 400
    assert "host is missing" in answer.text
    assert not await room.store.configs("cpi")


@pytest.mark.parametrize("route", ["/configs", "/resurrection_configs"])
async def test_a_resurrection_config_is_checked_when_it_is_uploaded(room: Room, route: str) -> None:
    async def send(content: str):
        if route == "/configs":
            body = {"type": "resurrection", "name": "default", "content": content}
            return await room.ask("POST", f"{route}?source=r.yml", json=body)
        return await room.ask("POST", f"{route}?source=r.yml", content=content)

    answer = await send("rules:\n- enabled: true\n- enabled: perhaps\n")
    assert answer.status_code == 400
    assert [(p["file"], p["line"]) for p in answer.json()["problems"]] == [("r.yml", 3)]
    assert not room.store.all_configs
    assert (await send("rules: [{enabled: false, include: {deployments: [shop]}}]\n")).status_code == 201
    assert [(e.action, e.object_type) for e in room.store.all_events] == [("create", "config/resurrection")]
