"""``GET /drift`` and ``GET /doctor``."""

from director.planning.drift import Drift, DriftKind
from director.ports.infrastructure import Finding
from director.reconcile.drift import DriftReport, Unseen
from director.reconcile.requests import FixDrift
from tests.unit.api.room import Room
from tests.unit.api.samples import shop

LOST = Drift(
    kind=DriftKind.VM_MISSING,
    deployment="shop",
    instance="web/0",
    subject="vm-1",
    cpi="",
    recorded="created",
    seen="gone",
    fix="Deploy.",
)


async def test_drift_is_told_with_what_could_not_be_looked_at(room: Room) -> None:
    room.drift = DriftReport(
        drifts=(LOST,), unseen=(Unseen(cpi="far", reason="It is away."),), vms=3, disks=1, objects=9
    )
    assert await room.get("/drift") == {
        "drift": [
            {
                "kind": "vm missing", "deployment": "shop", "instance": "web/0", "subject": "vm-1", "cpi": "",
                "recorded": "created", "seen": "gone", "fix": "Deploy.", "way": "recreate", "does": "recreate its VM",
            }
        ],
        "unseen": [{"cpi": "far", "reason": "It is away."}],
        "vms": 3,
        "disks": 1,
        "objects": 9,
    }  # fmt: skip
    assert room.drift_of == [None]


async def test_drift_of_one_deployment_is_asked_for_by_its_name(room: Room) -> None:
    shop(room)
    await room.get("/drift?deployment=shop")
    assert room.drift_of == ["shop"]


async def test_drift_of_a_deployment_that_does_not_exist_is_404(room: Room) -> None:
    answer = await room.ask("GET", "/drift?deployment=none")
    assert (answer.status_code, answer.json()["code"]) == (404, 70000)
    assert room.drift_of == []


async def test_what_is_to_be_fixed_becomes_a_task_of_its_deployment(room: Room) -> None:
    shop(room)
    body = {"deployment": "shop", "differences": [{"kind": "vm missing", "subject": "vm-1"}]}
    answer = await room.ask("PUT", "/drift", json=body)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks/1")
    assert room.driver.asked == [FixDrift(deployment="shop", differences=(("vm missing", "vm-1"),))]
    answer = await room.ask("PUT", "/drift", json={**body, "deployment": "none"})
    assert (answer.status_code, answer.json()["code"]) == (404, 70000)
    answer = await room.ask("PUT", "/drift", json={"deployment": "shop", "differences": [{"kind": "vm missing"}]})
    assert (answer.status_code, answer.json()["code"]) == (400, 40001)


async def test_the_doctor_tells_what_is_well_and_how_to_mend_the_rest(room: Room) -> None:
    room.findings = (
        Finding(subject="record", is_well=True, detail="It is there.", fix="never shown"),
        Finding(subject="agents", is_well=False, detail="None.", fix="Wait."),
    )
    assert (await room.get("/doctor"))["findings"] == [
        {"subject": "record", "is_well": True, "detail": "It is there.", "fix": ""},
        {"subject": "agents", "is_well": False, "detail": "None.", "fix": "Wait."},
    ]


async def test_both_demand_credentials(room: Room) -> None:
    async with room.client(auth=None) as client:
        assert [(await client.get(path)).status_code for path in ("/drift", "/doctor")] == [401, 401]
