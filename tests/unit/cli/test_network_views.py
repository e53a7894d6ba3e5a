"""Networks as tree, boxes, picture and tables: what must be on them, whatever others call their things."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from director.api.networks import as_tree
from director.cli.network_views.boxes import BOX_WIDTH, framed, map_lines
from director.cli.network_views.branches import branches_of
from director.cli.network_views.canvas import fitted, width_of
from director.cli.network_views.lines import lines_of
from director.cli.network_views.picture import draw
from director.cli.network_views.rows import tables_of
from director.model.sighting import JobState
from director.reconcile.fabric_view import show_networks
from tests.support.networks import (
    config_stack,
    deploy,
    fabric_of,
    group_stack,
    id_of,
    instance,
    managed,
    member,
    new_world,
    record,
)

HOSTILE = "<script>\"&'\x1b[31m\x00"
PANELS = {"router", "segment", "balancer", "tier"}
SVG = "{http://www.w3.org/2000/svg}"


async def report(count: int = 3, *, name: str = "web") -> dict:
    """A network with ``count`` instances behind a load balancer, another one, a config, and a port group."""
    world = new_world()
    stack = managed("web", "10.20.0.0/22", topology="nat", vip="198.51.100.20")
    router, *rest = stack.objects
    await record(world, replace(stack, objects=(replace(router, name=name), *rest)))
    await record(world, managed("back", "10.30.0.0/24"))
    await record(world, group_stack())
    await record(world, config_stack())
    for index in range(count):
        ip = f"10.20.{index // 200}.{index % 200 + 10}"
        one = member("web", f"shop-web-{index}", ip)
        await deploy(
            world,
            instance("web", index, ("web", ip), members=(one,)),
            state=JobState.FAILING if index == 1 else JobState.RUNNING,
        )
        fabric_of(world).members.setdefault(id_of("pool", "web"), []).append(one)
    await deploy(world, instance("bastion", 0, ("lan", "10.1.0.5"), deployment="base"))
    fabric_of(world).fail(id_of("lb", "web"), "The edge cluster is full.")
    fabric_of(world).drop(id_of("t1", "back"))
    return json.loads(json.dumps(as_tree(await show_networks(world, None, True))))


def tree(found, **more):
    return "\n".join(lines_of(branches_of(found, **more)))


async def test_the_tree_leads_from_the_tier_0_to_the_instances():
    lines = tree(await report())
    order = ["tier-0 tier0", "router web", "SNAT 10.20.0.0/22 → 198.51.100.10", "load balancer web", "pool web"]
    order += ["web/0 10.20.0.10:8080  announced", "network web: 10.20.0.0/22", "shop web/0 10.20.0.10  running"]
    places = [lines.index(words) for words in order]
    assert places == sorted(places)
    assert "failed  The edge cluster is full." in lines
    assert "router back: on edges, advertises connected  missing" in lines
    assert "shop web/1 10.20.0.11  failing" in lines
    assert "ip pool vips: 198.51.100.0/24: 198.51.100.100-198.51.100.120 (outlives deployments)" in lines
    assert "network lan\n   └─ base bastion/0 10.1.0.5  running" in lines


async def test_many_instances_are_numbers_unless_all_are_asked_for():
    found = await report(60)
    assert "shop web: 60 instances  59 running, 1 failing" in tree(found, shows_all=False)
    assert "60 members  60 announced" in tree(found, shows_all=False)
    assert "shop web/59 10.20.0.69  running" in tree(found, shows_all=True)


async def test_members_of_a_pool_are_told_once_though_two_virtual_servers_send_to_it():
    lines = tree(await report())
    assert lines.count("web/0 10.20.0.10:8080") == 1
    assert "server pool web, as above" in lines


async def test_without_a_look_it_says_that_nobody_looked():
    found = await report()
    found["fabrics"][0] |= {"is_looked_at": False}
    assert "The director's own infrastructure  as recorded" in tree(found)
    found["fabrics"][0] |= {"unseen": "It is away."}
    assert "The director's own infrastructure  not looked at  It is away." in tree(found)


async def test_no_control_character_of_a_name_reaches_the_terminal():
    found = await report(name=HOSTILE)
    for text in (tree(found), "\n".join(map_lines(found, 100))):
        assert "<script>" in text
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


@pytest.mark.parametrize("columns", [46, 80, 100, 143, 200])
@pytest.mark.parametrize("count", [0, 3, 60])
async def test_the_boxes_fit_the_screen_and_close(columns, count):
    lines = list(map_lines(await report(count), columns))
    boxes = [line for line in lines if set(line) & set("┌│╔║└╚")]
    assert max(map(len, boxes)) <= columns
    text = "\n".join(lines)
    assert text.count("┌") == text.count("┘") == text.count("┐") == text.count("└")


async def test_the_boxes_hold_all_that_matters():
    text = re.sub(r"[│\s]+", " ", "\n".join(map_lines(await report(), BOX_WIDTH)))
    for words in (
        "● router web", "SNAT 10.20.0.0/22 → 198.51.100.10", "✗ load balancer web",
        "! failed: The edge cluster is full.",
        "198.51.100.20:80 → web", "pool web: 3 announced", "✗ web/1 10.20.0.11 failing", "✗ router back", "! missing",
        "network lan", "● bastion/0 10.1.0.5",
    ):  # fmt: skip
        assert words in text


def test_a_line_too_long_for_its_box_goes_on_below():
    box = framed("t", ["one two three four five six seven"], 20)
    assert {len(line) for line in box} == {20}
    assert " ".join(re.sub(r"[│]", "", "".join(box[1:-1])).split()) == "one two three four five six seven"


def texts(svg):
    return [e.text or "" for e in ET.fromstring(svg).iter() if e.tag in {f"{SVG}text", f"{SVG}title"}]


async def test_the_picture_shows_routers_segments_nat_balancers_and_instances():
    said = "\n".join(texts(draw(await report())))
    for words in (
        "tier-0 tier0", "router web", "SNAT 10.20.0.0/22 → 198.51.100.10", "load balancer web",
        "198.51.100.20:80 → web",
        "pool web: 3 announced", "network web", "10.20.0.0/22 · NAT, outside as 198.51.100.10", "web/0", "10.20.0.10",
        "failed: The edge cluster is full.", "missing", "network lan", "bastion/0",
    ):  # fmt: skip
        assert words in said


async def test_the_picture_of_many_instances_is_one_square_each_and_no_larger_than_a_few_rows():
    small, large = draw(await report(3)), draw(await report(60))
    assert "web/59 10.20.0.69: running" in texts(large)
    assert "shop web, 60 instances: 59 running, 1 failing" in texts(large)
    assert height(large) < height(small) + 100


async def test_very_many_are_a_bar():
    svg = draw(await report(400))
    assert "399 of 400" in texts(svg)
    assert svg.count("<rect") < 100


def height(svg):
    return float(ET.fromstring(svg).get("height"))


async def test_names_of_others_cannot_become_markup():
    svg = draw(await report(name=HOSTILE), title=HOSTILE)
    root = ET.fromstring(svg)
    assert not [e for e in root.iter() if e.tag.endswith("script")]
    assert any("<script>" in text for text in texts(svg))
    assert "\x00" not in svg


async def test_nothing_is_drawn_outside_the_picture_or_over_something_else():
    root = ET.fromstring(draw(await report(12)))
    wide, high = float(root.get("width")), float(root.get("height"))
    boxes = [e for e in root.iter(f"{SVG}rect") if e.get("class").split()[0] in PANELS]
    spans = [tuple(float(e.get(k)) for k in ("x", "y", "width", "height")) for e in boxes]
    assert len(spans) == 6
    for x, y, w, h in spans:
        assert 0 <= x < x + w <= wide
        assert 0 <= y < y + h <= high
    ordered = sorted(spans)
    for one, other in ((a, b) for n, a in enumerate(ordered) for b in ordered[n + 1 :]):
        apart = one[0] + one[2] <= other[0] or one[1] + one[3] <= other[1] or other[1] + other[3] <= one[1]
        assert apart, (one, other)


async def test_the_same_networks_give_the_same_picture():
    assert draw(await report(20)) == draw(await report(20))


async def test_light_and_dark_are_left_to_the_viewer():
    assert "prefers-color-scheme: dark" in draw(await report())


def test_without_networks_it_says_so():
    empty = {"fabrics": [], "plain": []}
    assert "There are none." in texts(draw(empty))
    assert list(map_lines(empty, 80)) == ["There are no networks."]
    assert branches_of(empty) == ()


@pytest.mark.parametrize("text", ["", "short", "a much longer text that will never fit", "WWWWWWWWWWWWWWW"])
def test_a_fitted_text_is_whole_or_its_beginning(text):
    shown = fitted(text, "text", 60)
    assert width_of(shown, "text") <= 60
    assert shown == text or text.startswith(shown.removesuffix("…"))


def test_a_longer_text_is_wider():
    widths = [width_of("x" * n, "name") for n in range(5)]
    assert all(a < b for a, b in pairwise(widths))


async def test_the_tables_have_every_object_segment_instance_and_member_once():
    objects, segments, instances, members = tables_of(await report())
    by_id = [row["id"] for row in objects.rows]
    assert len(by_id) == len(set(by_id)) == 18
    lb = next(row for row in objects.rows if row["kind"] == "load balancer")
    assert (lb["place"], lb["state"], lb["reason"]) == ("tier0/web", "failed", "The edge cluster is full.")
    assert {(row["network"], row["topology"], row["outside"]) for row in segments.rows} == {
        ("web", "nat", "198.51.100.10"),
        ("back", "routed", ""),
    }
    assert [row["instance"] for row in instances.rows] == ["web/0", "web/1", "web/2", "bastion/0"]
    assert [(row["pool"], row["port"], row["state"]) for row in members.rows] == [("web", "8080", "announced")] * 3
