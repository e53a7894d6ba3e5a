"""Deployments: what is listed, what a deploy is asked with, what is compared."""

import json
from dataclasses import replace

import pytest

from director.model.names import TaskId
from director.reconcile.requests import DeleteDeployment, Deploy, Overrides
from tests.unit.api.room import NOW, Room
from tests.unit.api.samples import CLOUD, MANIFEST, shop


async def test_the_list_has_boshs_keys_by_name(room: Room) -> None:
    record = shop(room)
    room.store.records["alpha"] = replace(record, deployment=replace(record.deployment, name="alpha"))
    room.driver.locks = {"alpha": TaskId(7)}
    first, second = await room.get("/deployments")
    assert (first["name"], first["locked"]) == ("alpha", True)
    assert second == {
        "name": "shop", "teams": [], "cloud_config": "none", "locked": False,
        "releases": [{"name": "app", "version": "1.0.0"}], "stemcells": [{"name": "local-stemcell", "version": "1"}],
    }  # fmt: skip


async def test_what_is_excluded_is_left_out(room: Room) -> None:
    shop(room)
    assert (await room.get("/deployments?exclude_configs=true&exclude_lock=true"))[0].keys() == {
        "name", "teams", "releases", "stemcells",
    }  # fmt: skip


async def test_the_cloud_config_is_latest_until_another_is_uploaded(room: Room) -> None:
    record = shop(room)
    config = await room.store.add_config("cloud", "default", CLOUD, NOW)
    room.store.records["shop"] = replace(record, deployment=replace(record.deployment, config_ids=(config.id,)))
    assert (await room.get("/deployments"))[0]["cloud_config"] == "latest"
    await room.store.add_config("cloud", "default", CLOUD + "# new\n", NOW)
    assert (await room.get("/deployments"))[0]["cloud_config"] == "outdated"


async def test_a_deployment_shows_its_manifest_as_it_was_sent(room: Room) -> None:
    shop(room)
    assert await room.get("/deployments/shop") == {"manifest": MANIFEST}
    answer = await room.ask("GET", "/deployments/none")
    assert (answer.status_code, answer.json()["code"]) == (404, 70000)


async def test_a_deploy_is_redirected_to_its_task(room: Room) -> None:
    answer = await room.ask(
        "POST", "/deployments", content=MANIFEST, headers={"Content-Type": "text/yaml", "X-Bosh-Context-Id": "ctx"}
    )
    assert (answer.status_code, answer.headers["location"], answer.content) == (303, "/tasks/1", b"")
    assert room.driver.asked == [Deploy(deployment="shop", manifest=MANIFEST)]
    assert room.store.all_tasks[1].context_id == "ctx"
    assert room.store.all_tasks[1].user == "admin"


async def test_every_flag_of_a_deploy_is_understood(room: Room) -> None:
    query = (
        "recreate=true&recreate_persistent_disks=true&fix=true&skip_drain=web,db/1&canaries=2&max_in_flight=50%25"
        "&dry_run=true&allow_delete_all=true&strict=true"
    )
    await room.ask("POST", f"/deployments?{query}", content=MANIFEST, headers={"X-Director-Manifest": "dir/shop.yml"})
    assert room.driver.asked == [
        Deploy(
            deployment="shop",
            manifest=MANIFEST,
            source="dir/shop.yml",
            dry_run=True,
            overrides=Overrides(
                recreate=True,
                recreate_persistent_disks=True,
                fix=True,
                skip_drain=("web", "db/1"),
                canaries="2",
                max_in_flight="50%",
                allow_delete_all=True,
                strict=True,
            ),
        )
    ]


@pytest.mark.parametrize("name", ["5", "[a]", "null"])
async def test_a_name_that_is_none_is_left_to_the_check_of_the_manifest(room: Room, name: str) -> None:
    await room.ask("POST", "/deployments", content=f"name: {name}")
    assert room.driver.asked == [Deploy(deployment="", manifest=f"name: {name}")]


async def test_a_manifest_that_is_no_yaml_is_refused_with_its_place(room: Room) -> None:
    answer = await room.ask("POST", "/deployments?source=my.yml", content="name: [")
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["file"] == "my.yml"
    assert not room.driver.asked


@pytest.mark.parametrize(
    "query,headers,content,code",
    [
        ("fix=maybe", {}, "name: shop", 40005),
        ("context={", {}, "name: shop", 710001),
        ("context=[]", {}, "name: shop", 710001),
        ('context={"cloud_config_ids":[99]}', {}, "name: shop", 190025),
        ("recreate_vms_created_before=2026-01-01T00:00:00Z", {}, "name: shop", 500100),
        ("", {"X-Bosh-Context-Id": "x" * 65}, "name: shop", 70010),
        ("", {}, b"name: \xff", 40005),
    ],
)
async def test_a_senseless_deploy_is_refused_before_any_task(
    room: Room, query: str, headers: dict[str, str], content: str | bytes, code: int
) -> None:
    answer = await room.ask("POST", f"/deployments?{query}", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not room.driver.asked


async def test_a_deploy_uses_the_configs_it_was_confirmed_with(room: Room) -> None:
    cloud = await room.store.add_config("cloud", "default", CLOUD, NOW)
    runtime = await room.store.add_config("runtime", "default", "addons: []", NOW)
    compared = (await room.ask("POST", "/deployments/shop/diff", content=MANIFEST)).json()
    assert compared["context"] == {"cloud_config_ids": [cloud.id], "runtime_config_ids": [runtime.id]}
    await room.store.add_config("cloud", "default", CLOUD + "# newer\n", NOW)
    await room.ask("POST", "/deployments", params={"context": json.dumps(compared["context"])}, content=MANIFEST)
    assert room.driver.asked[0].config_ids == (cloud.id, runtime.id)


async def test_a_body_too_large_for_any_manifest_is_not_held(room: Room) -> None:
    answer = await room.ask("POST", "/deployments", content=b" " * (17 * 1024 * 1024))
    assert answer.status_code == 413


async def test_a_plan_is_shown_as_tree_and_text_and_starts_nothing(room: Room) -> None:
    shop(room)
    answer = await room.ask("POST", "/deployments/shop/plan?fix=true", content="")
    assert answer.json() == {
        "deployment": "shop", "is_settled": True, "plan": {"id": "p"}, "text": "plan of shop", "warnings": [],
    }  # fmt: skip
    assert room.driver.asked == [Deploy(deployment="shop", overrides=Overrides(fix=True))]
    assert not room.store.all_tasks


async def test_the_difference_shows_what_changes_and_hides_properties(room: Room) -> None:
    shop(room)
    new = MANIFEST + "tags: {a: b}\nfeatures: {x: true}\n"
    answer = (await room.ask("POST", "/deployments/shop/diff?redact=true", content=new)).json()
    added = [line for line, mark in answer["diff"] if mark == "added"]
    assert any("a: b" in line for line in added)
    assert not [line for line, mark in answer["diff"] if mark == "removed"]


async def test_a_new_deployment_is_all_added(room: Room) -> None:
    answer = (await room.ask("POST", "/deployments/new/diff", content="name: new\n")).json()
    assert answer["diff"] == [["name: new", "added"]]


async def test_deleting_is_a_task_and_404_for_what_is_not_there(room: Room) -> None:
    shop(room)
    answer = await room.ask("DELETE", "/deployments/shop?force=true")
    assert answer.status_code == 303
    assert room.driver.asked == [DeleteDeployment(deployment="shop", force=True)]
    assert (await room.ask("DELETE", "/deployments/none")).status_code == 404


@pytest.mark.parametrize(
    "method,path,code",
    [
        ("POST", "/deployments/shop/ssh", 500100),
        ("GET", "/link_providers", 500100),
    ],
)
async def test_what_is_not_built_says_so(room: Room, method: str, path: str, code: int) -> None:
    shop(room)
    answer = await room.ask(method, path)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("path", ["certificate_expiry", "snapshots"])
async def test_lists_that_are_empty_by_nature(room: Room, path: str) -> None:
    shop(room)
    assert await room.get(f"/deployments/shop/{path}") == []
    assert (await room.ask("GET", f"/deployments/none/{path}")).status_code == 404
