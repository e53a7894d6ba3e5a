"""The topology page: what is there is drawn, escaped, in its owner's colour, and leads to its JSON."""

import xml.etree.ElementTree as ET
from urllib.parse import parse_qs, urlsplit

from tests.nsxsim.machines import read
from tests.nsxsim.page_model import LINES_MAX, boxes
from tests.nsxsim.write import Who

TCP = "/infra/lb-app-profiles/default-tcp-lb-app-profile"
SVG = "{http://www.w3.org/2000/svg}"


def tags(deployment):
    return {"tags": [{"scope": "director/id", "tag": "u"}, {"scope": "director/deployment", "tag": deployment}]}


async def page(world, **query):
    reply = await world.client.get("/", params=query, auth=None)
    assert reply.status_code == 200
    return reply


def drawn(text):
    """The SVG of a page, parsed: text that was not escaped would not be XML."""
    return ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])


def words(svg):
    return ["".join(each.itertext()) for each in svg.iter(f"{SVG}text")]


def named(listed, title):
    for box in listed:
        if box.title == title:
            return box
        if (found := named(box.children, title)) is not None:
            return found
    return None


async def network(world, deployment="shop"):
    gateway = await world.gateway("t1")
    await world.patch(gateway, tags(deployment))
    segment = {"connectivity_path": gateway, "subnets": [{"gateway_address": "10.20.0.1/24"}], **tags(deployment)}
    await world.patch("/infra/segments/web", segment)
    nat = {"action": "SNAT", "source_network": "10.20.0.0/24", "translated_network": "198.51.100.9"}
    await world.patch(f"{gateway}/nat/USER/nat-rules/hide", nat)
    world.sim.rooms["inventory"].report(
        read({"name": "web-0", "nics": [{"segment": "/infra/segments/web", "addresses": ["10.20.0.10"]}]})
    )
    await world.patch("/infra/lb-services/lb", {"connectivity_path": gateway})
    await world.patch("/infra/lb-pools/pool", {"members": [{"ip_address": "10.20.0.10", "port": "80"}]})
    server = {
        "ip_address": "10.9.9.9",
        "ports": ["80"],
        "application_profile_path": TCP,
        "pool_path": "/infra/lb-pools/pool",
    }
    await world.patch("/infra/lb-virtual-servers/http", {**server, "lb_service_path": "/infra/lb-services/lb"})
    world.clock.advance(2)


async def test_boxes_stand_as_gateways_segments_ports_and_balancers_do(world):
    await network(world)
    roots = boxes(world.sim)
    provider = named(roots, "Provider")
    assert [each.title for each in provider.children] == ["strangers-gateway", "t1"]
    assert [each.kind for each in named(roots, "t1").children] == ["NAT", "Segment", "Load balancer"]
    (nat, *_) = named(roots, "t1").children
    assert [line.text for line in nat.lines] == ["SNAT 10.20.0.0/24 → 198.51.100.9"]
    (ports,) = named(roots, "web").children
    assert [(line.text, line.note, line.tone) for line in ports.lines] == [("web-0", "10.20.0.10", "up")]
    pool = named(named(roots, "lb").children, "pool")
    assert [(line.text, line.note, line.tone) for line in pool.lines] == [("10.20.0.10:80", "web-0", "up")]


async def test_owners_are_deployments_and_strangers_are_set_apart(world):
    await network(world)
    roots = boxes(world.sim)
    owners = {title: named(roots, title).owner for title in ("t1", "web", "1 port", "strangers-gateway", "lb")}
    assert {title: (owner.name, owner.is_ours) for title, owner in owners.items()} == {
        "t1": ("shop", True),
        "web": ("shop", True),
        "1 port": ("shop", True),
        "strangers-gateway": ("operator", False),
        "lb": ("admin", False),
    }
    found = {each.get("class") for each in drawn((await page(world)).text).iter(f"{SVG}g")} - {None}
    assert found == {"ours c0", "theirs grey"}


async def test_the_page_needs_no_login_no_scripts_and_loads_itself_again(world):
    reply = await page(world)
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert 'http-equiv="refresh"' in reply.text
    assert "<script" not in reply.text
    assert 'http-equiv="refresh"' not in (await page(world, still="1")).text


async def test_whatever_objects_are_called_is_text(world):
    nasty = """<script>alert(1)</script>"' &amp; </svg>"""
    await network(world, deployment=nasty)
    for path in ("/infra/tier-1s/t1", "/infra/segments/web", "/infra/lb-pools/pool", "/infra/domains/default/groups/g"):
        await world.patch(
            path, {"display_name": nasty, "members": []} if "lb-pools" in path else {"display_name": nasty}
        )
    world.clock.advance(2)
    text = (await page(world)).text
    assert "<script" not in text
    assert any(nasty[:10] in each for each in words(drawn(text)))


async def test_a_click_leads_to_the_objects_json_without_its_secrets(world):
    await network(world)
    links = {each.get("href") for each in drawn((await page(world)).text).iter(f"{SVG}a")}
    paths = {parse_qs(urlsplit(link).query)["path"][0] for link in links}
    assert {"/infra/tier-1s/t1", "/infra/segments/web", "/infra/tier-1s/t1/nat/USER/nat-rules/hide"} <= paths
    for link in links:
        reply = await world.client.get(link, auth=None)
        assert reply.status_code == 200
        assert reply.json()["path"] in paths
    bgp = "/infra/tier-0s/tier-0/locale-services/default/bgp"
    world.sim.write(bgp, {"local_as_num": "1"}, Who("admin"))
    place = f"{bgp}/neighbors/n"
    world.sim.write(place, {"neighbor_address": "192.0.2.1", "remote_as_num": "1", "password": "hush"}, Who("admin"))
    reply = await world.client.get("/object", params={"path": place}, auth=None)
    assert reply.json()["password"] == "(left out)"
    assert (await world.client.get("/object", params={"path": "/infra/nothing"}, auth=None)).status_code == 404


async def test_the_page_only_reads(world):
    assert (await world.client.post("/", auth=None)).status_code == 405
    assert (await world.client.get("/policy/api/v1/infra/tier-0s", auth=None)).status_code in (401, 403)


async def test_what_failed_says_why_and_what_is_under_way_says_so(world):
    await world.patch("/infra/tier-1s/bare", {"tier0_path": "/infra/tier-0s/tier-0"})
    await world.patch("/infra/lb-services/lb", {"connectivity_path": "/infra/tier-1s/bare"})
    assert named(boxes(world.sim), "bare").tone == "wait"
    world.clock.advance(2)
    balancer = named(boxes(world.sim), "lb")
    assert balancer.tone == "down"
    assert "no edge cluster" in balancer.lines[-1].text


async def test_boxes_do_not_touch_one_another_and_lie_inside_the_drawing(world):
    await network(world)
    svg = drawn((await page(world)).text)
    found = [
        tuple(int(each.get(key)) for key in ("x", "y", "width", "height"))
        for each in svg.iter(f"{SVG}rect")
        if each.get("class") == "box"
    ]
    assert len(found) > 8
    assert all(x + w <= int(svg.get("width")) and y + h <= int(svg.get("height")) for x, y, w, h in found)
    for index, (x, y, w, h) in enumerate(found):
        for a, b, c, d in found[index + 1 :]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y


async def test_a_segment_with_hundreds_of_ports_stays_one_box(world):
    await world.patch("/infra/segments/many")
    for number in range(100):
        world.sim.write(f"/infra/segments/many/ports/p{number}", {}, Who("admin"))
    (ports,) = named(boxes(world.sim), "many").children
    assert len(ports.lines) == LINES_MAX
    assert ports.lines[-1].text == f"and {100 - LINES_MAX + 1} more"
