"""``director networks``, ``network-map``, ``apply-networks`` and the network configs."""

import json

import pytest

from tests.unit.cli.fake import Reply

RULE = {
    "id": "n-1", "kind": "nat rule", "name": "out", "about": "SNAT any → 198.51.100.1", "stack": "config/shared",
    "owner": "(networks)", "users": [], "outlives_deployments": True, "state": "realised", "reason": "",
}  # fmt: skip
ROUTER = {"kind": "tier-0", "name": "t0", "object": None, "nat": [RULE], "routes": [], "balancers": [], "segments": []}
FABRIC = {
    "cpi": "", "is_looked_at": True, "unseen": "", "routers": [{**ROUTER, "routers": []}], "segments": [],
    "balancers": [], "others": [], "unrecorded": [], "problems": [],
}  # fmt: skip
REPORT = {"fabrics": [FABRIC], "plain": []}
EMPTY = {"fabrics": [], "plain": []}


def test_networks_are_a_tree(director, fake):
    fake.on("GET /networks", REPORT)
    ended = director("networks")
    assert ended.out.splitlines() == [
        "The director's own infrastructure",
        "└─ tier-0 t0",
        "   └─ nat rule out: SNAT any → 198.51.100.1 (outlives deployments)  realised",
    ]
    assert fake.asked[0].query == {"look": "true"}


def test_networks_of_a_deployment_as_recorded(director, fake):
    fake.on("GET /networks", REPORT)
    director("networks", "-d", "shop", "--no-look")
    assert fake.asked[0].query == {"deployment": "shop"}


def test_networks_as_json_are_tables(director, fake):
    fake.on("GET /networks", REPORT)
    tables = json.loads(director("networks", "--json").out)["Tables"]
    assert [table["Content"] for table in tables] == ["network objects", "segments", "instances", "members"]
    (row,) = tables[0]["Rows"]
    assert (row["place"], row["name"], row["state"]) == ("t0", "out", "realised")


def test_without_networks_it_says_so(director, fake):
    fake.on("GET /networks", EMPTY)
    assert "There are no networks" in director("networks").out


def test_the_map_is_written_as_svg(director, fake, tmp_path):
    fake.on("GET /networks", REPORT)
    ended = director("network-map", "-o", tmp_path / "net.svg", "-d", "shop")
    assert ended.out == f"Wrote {tmp_path / 'net.svg'}: any browser shows it.\n"
    svg = (tmp_path / "net.svg").read_text()
    assert svg.startswith("<?xml")
    assert "Networks of shop" in svg
    assert fake.asked[0].query == {"deployment": "shop", "look": "true"}


def test_the_map_goes_into_networks_svg_or_a_pipe(director, fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake.on("GET /networks", REPORT)
    director("network-map")
    piped = director("network-map", "-o", "-").out
    assert (tmp_path / "networks.svg").read_text().strip() == piped.strip()


def test_a_map_that_cannot_be_written_is_told_with_its_file(director, fake, tmp_path):
    fake.on("GET /networks", REPORT)
    ended = director("network-map", "-o", tmp_path / "none" / "net.svg")
    assert ended.code == 1
    assert "none/net.svg: No such file or directory." in ended.err


def test_the_map_in_the_terminal_is_boxes(director, fake):
    fake.on("GET /networks", REPORT)
    ended = director("network-map", "--text")
    assert "╔═ tier-0 t0 ═" in ended.out
    assert "● SNAT any → 198.51.100.1" in ended.out


def test_the_map_is_not_both(director, fake):
    ended = director("network-map", "--text", "-o", "x.svg")
    assert (ended.code, fake.asked) == (2, [])


@pytest.mark.parametrize(
    "words,body",
    [
        (("apply-networks", "-n"), {"dry_run": False, "remove": False}),
        (("apply-networks", "-n", "--remove"), {"dry_run": False, "remove": True}),
        (("apply-networks", "--dry-run"), {"dry_run": True, "remove": False}),
    ],
)
def test_applying_is_a_task_that_is_followed(director, fake, words, body):
    fake.begins("POST /networks", 4, result="applied")
    assert director(*words).code == 0
    (asked,) = fake.said("POST /networks")
    assert json.loads(asked.body) == body


def test_applying_asks_first(director, fake):
    ended = director("apply-networks", stdin="n\n")
    assert (ended.code, fake.asked) == (1, [])


def test_a_network_config_is_set_shown_and_deleted(director, fake, tmp_path):
    file = tmp_path / "net.yml"
    file.write_text("networks: {}\n")
    fake.on("GET /info", {"name": "x"})
    fake.on("POST /network_configs/diff", {"diff": [["networks: {}", "added"]], "from": {"id": "0"}})
    fake.on("POST /network_configs", Reply(status=201, body={"warnings": []}))
    fake.on("GET /network_configs", [{"name": "shared", "properties": "networks: {}\n"}])
    fake.on("DELETE /configs", Reply(status=204))
    assert director("update-network-config", "-n", "--name", "shared", file).out == "The network config is set.\n"
    assert fake.said("POST /network_configs")[0].query == {"name": "shared", "source": str(file)}
    assert director("network-config", "--name", "shared").out == "networks: {}\n"
    ended = director("delete-network-config", "-n", "--name", "shared")
    assert "apply-networks --remove" in ended.out
    assert fake.said("DELETE /configs")[0].query == {"type": "network", "name": "shared"}
