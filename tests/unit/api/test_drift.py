"""``GET /drift`` and ``GET /doctor``."""

from director.planning.drift import Drift, DriftKind
from director.ports.infrastructure import Finding
from director.reconcile.drift import DriftReport, Unseen
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
                "recorded": "created", "seen": "gone", "fix": "Deploy.",
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
