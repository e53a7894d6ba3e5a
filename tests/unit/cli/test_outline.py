"""What the command reads of a manifest, and the one thing it writes into it."""

import pytest

from director.cli.commands.outline import Outline, Release, outline

NAMES = [
    ("name: web\n", "web"),
    ("---\n# comment\nname: 'web'\nname2: x\n", "web"),
    ("{name: web}", "web"),
    ('"name": "web"', "web"),
    ("a: {name: inner}\nname: web", "web"),
    ("? [complex, {name: no}]\n: 1\nname: web", "web"),
    ("? {a: 1}\n: {name: no}\nname: web", "web"),
    ("a: &x {name: no}\nb: *x\nname: web", "web"),
    ("list: [name, no]\n", ""),
    ("- name: no\n", ""),
    ("name: [a]\n", ""),
    ("name: {name: no}\n", ""),
    ("name: web\nb: [", "web"),
    ("just text", ""),
    ("", ""),
    ("a: [", ""),
    ("\tx", ""),
]


@pytest.mark.parametrize(("text", "name"), NAMES)
def test_the_name_is_read_from_any_text_and_no_text_breaks_it(text, name):
    assert outline(text).name == name


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 50_000,
        "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(100)),
        "url: " + "- " * 50_000,
    ],
)
def test_a_bomb_costs_no_more_than_its_length(text):
    assert outline(text) == Outline()


def test_releases_are_read_with_the_place_of_their_version():
    text = "name: web\nreleases:\n- {name: a, version: 1.2, url: file://a}\n- url: b\n  version: create\n- name: c\n"
    found = outline(text)
    assert found.name == "web"
    assert found.releases == (
        Release(name="a", version="1.2", url="file://a", span=found.releases[0].span),
        Release(url="b", version="create", span=found.releases[1].span),
        Release(name="c"),
    )
    assert [text[slice(*release.span)] for release in found.releases] == ["1.2", "create", ""]


@pytest.mark.parametrize("before", ["", "# ü ✓ 🎉\n", "\ufeff", "a: 'ü🎉'\r\n"])
def test_places_count_characters_whatever_stands_before(before):
    text = f"{before}releases:\n- {{name: a, url: b, version: 'create'}}\n"
    (release,) = outline(text).releases
    assert text[slice(*release.span)] == "'create'"
