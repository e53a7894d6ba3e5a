"""``GET /networks`` and ``POST /networks``; network configs by their own address."""

from director.model.names import ObjectId
from director.reconcile.fabric_report import FabricView, NetworksReport, ObjectView, RouterView, Standing
from director.reconcile.requests import ApplyNetworks
from tests.unit.api.room import Room
from tests.unit.api.samples import shop

RULE = ObjectView(id=ObjectId("n-1"), kind="nat rule", name="out", about="SNAT", state=Standing.FAILED, reason="Full.")
REPORT = NetworksReport(
    fabrics=(FabricView(cpi="", is_looked_at=True, routers=(RouterView(kind="tier-0", name="t0", nat=(RULE,)),)),)
)


async def test_networks_are_told_with_their_states_in_words(room: Room) -> None:
    room.networks = REPORT
    found = await room.get("/networks?look=true")
    (fabric,) = found["fabrics"]
    assert fabric["routers"][0]["nat"][0] | {"users": [], "stack": "", "owner": ""} == {
        "id": "n-1", "kind": "nat rule", "name": "out", "about": "SNAT", "stack": "", "owner": "", "users": [],
        "outlives_deployments": False, "state": "failed", "reason": "Full.",
    }  # fmt: skip
    assert room.networks_of == [(None, True)]


async def test_of_one_deployment_and_without_a_look(room: Room) -> None:
    shop(room)
    await room.get("/networks?deployment=shop")
    assert room.networks_of == [("shop", False)]


async def test_of_a_deployment_that_does_not_exist_is_404(room: Room) -> None:
    answer = await room.ask("GET", "/networks?deployment=none")
    assert (answer.status_code, answer.json()["code"], room.networks_of) == (404, 70000, [])


async def test_boshs_question_for_orphaned_networks_is_answered_as_bosh_has_it(room: Room) -> None:
    assert await room.get("/networks?orphaned=true") == []
    assert (await room.ask("DELETE", "/networks/web")).status_code == 404


async def test_applying_network_configs_is_a_task(room: Room) -> None:
    answer = await room.ask("POST", "/networks", json={"dry_run": True})
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks/1")
    await room.ask("POST", "/networks", json={"remove": True})
    assert room.driver.asked == [ApplyNetworks(dry_run=True), ApplyNetworks(remove=True)]


async def test_what_is_no_flag_is_refused(room: Room) -> None:
    answer = await room.ask("POST", "/networks", json={"remove": "yes"})
    assert (answer.status_code, room.driver.asked) == (400, [])


async def test_a_network_config_has_an_address_of_its_own(room: Room) -> None:
    text = "networks: {ip_blocks: [{name: nodes, cidr: 10.128.0.0/16}]}\n"
    assert (await room.ask("POST", "/network_configs?name=shared", content=text)).status_code == 201
    assert [row["properties"] for row in await room.get("/network_configs?name=shared")] == [text]
    assert (await room.ask("DELETE", "/configs?type=network&name=shared")).status_code == 204
    assert await room.get("/network_configs?name=shared") == []


async def test_a_network_config_is_checked_when_it_comes(room: Room) -> None:
    text = "networks: {ip_blocks: [{name: nodes, cidr: 10.128.0.0/99}]}\n"
    answer = await room.ask("POST", "/network_configs?source=net.yml", content=text)
    assert answer.status_code == 400
    (problem,) = answer.json()["problems"]
    assert (problem["file"], problem["line"]) == ("net.yml", 1)
    assert room.store.all_configs == []
