"""Cloud-check over HTTP, in BOSH's shapes."""

import pytest

from director.model.problem_found import OpenProblem, ProblemFound, ProblemType, Resolution
from director.reconcile.requests import ApplyResolutions, ScanAndFix, ScanProblems
from tests.unit.api.room import Room
from tests.unit.api.samples import shop

FOUND = ProblemFound(
    type=ProblemType.MISSING_DISK,
    instance="i-0",
    group="web",
    label="web/0",
    subject="disk-1",
    description="Disk 'd-1' is missing.",
    resolutions=(Resolution.IGNORE, Resolution.DELETE_DISK_REFERENCE),
    data={"disk_cid": "d-1"},
)


@pytest.fixture
def shopping(room: Room) -> Room:
    shop(room)
    return room


async def test_a_scan_is_a_task(shopping: Room) -> None:
    answer = await shopping.ask("POST", "/deployments/shop/scans")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks/1")
    assert shopping.driver.asked == [ScanProblems(deployment="shop")]


async def test_problems_of_the_last_scan_are_listed_as_bosh_does(shopping: Room) -> None:
    assert await shopping.get("/deployments/shop/problems") == []
    shopping.store.settings["problems:shop"] = {"last": 4, "open": [OpenProblem(id=4, found=FOUND).to_tree()]}
    (row,) = await shopping.get("/deployments/shop/problems")
    offered = row.pop("resolutions")
    assert row == {
        "id": 4,
        "type": "missing_disk",
        "data": {"disk_cid": "d-1"},
        "description": "Disk 'd-1' is missing.",
        "instance_group": "web",
    }
    assert [one["name"] for one in offered] == ["ignore", "delete_disk_reference"]
    assert offered[0]["plan"] == "Skip for now"


async def test_resolutions_become_a_task_with_null_for_the_default(shopping: Room) -> None:
    body = {"resolutions": {"4": "ignore", "5": None}, "max_in_flight_overrides": {"web": "50%"}}
    answer = await shopping.ask("PUT", "/deployments/shop/problems", json=body)
    assert answer.status_code == 303
    assert shopping.driver.asked == [
        ApplyResolutions(deployment="shop", resolutions=((4, "ignore"), (5, None)), max_in_flight=(("web", "50%"),))
    ]


@pytest.mark.parametrize(
    "body, code",
    [
        ({}, 40001),
        ({"resolutions": []}, 40000),
        ({"resolutions": {"x": "ignore"}}, 410003),
        ({"resolutions": {"4": 5}}, 410003),
        ({"resolutions": {}, "max_in_flight_overrides": 1}, 40000),
    ],
)
async def test_a_body_of_another_form_is_refused(shopping: Room, body: dict, code: int) -> None:
    answer = await shopping.ask("PUT", "/deployments/shop/problems", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert shopping.driver.asked == []


async def test_scan_and_fix_takes_ids_and_leaves_out_whom_it_does_not_know(shopping: Room) -> None:
    instance = next(i for i in shopping.store.records["shop"].instances if i.group == "web")
    body = {"jobs": {"web": [instance.id, "nobody"], "other": [instance.id]}}
    answer = await shopping.ask("PUT", "/deployments/shop/scan_and_fix", json=body)
    assert answer.status_code == 303
    assert shopping.driver.asked == [ScanAndFix(deployment="shop", instances=(instance.id,))]


async def test_scan_and_fix_is_refused_while_resurrection_is_paused(shopping: Room) -> None:
    shopping.store.settings["resurrection"] = {"paused": True}
    answer = await shopping.ask("PUT", "/deployments/shop/scan_and_fix", json={"jobs": {}})
    assert (answer.status_code, answer.json()["code"]) == (400, 410004)
    assert shopping.driver.asked == []


@pytest.mark.parametrize("method, path", [("POST", "scans"), ("GET", "problems"), ("PUT", "problems")])
async def test_of_a_deployment_that_does_not_exist_there_is_nothing(room: Room, method: str, path: str) -> None:
    answer = await room.ask(method, f"/deployments/none/{path}", json={"resolutions": {}})
    assert (answer.status_code, answer.json()["code"]) == (404, 70000)
