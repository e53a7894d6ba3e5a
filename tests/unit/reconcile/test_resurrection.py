"""What counts of the stored resurrection configs, also when one of them cannot be used."""

from dataclasses import dataclass

import pytest

from director.adapters.memory.store import MemoryStore
from director.ports.store import DropConfig, PutSetting
from director.reconcile.resurrection import resurrection_of

OFF, ON, BAD = "rules: [{enabled: false}]", "rules: [{enabled: true}]", "rules: [{enabled: 7}]"


@dataclass
class World:
    store: MemoryStore


@pytest.fixture
def world():
    return World(store=MemoryStore())


async def test_with_nothing_said_it_is_on_and_has_no_rules(world):
    found = await resurrection_of(world)
    assert (found.paused, found.rules, found.warnings) == (False, (), ())


async def test_the_switch_is_the_stored_one(world):
    for paused in (True, False):
        await world.store.commit(PutSetting(name="resurrection", value={"paused": paused}))
        assert (await resurrection_of(world)).paused is paused


async def test_the_rules_of_all_configs_count_and_of_each_its_latest_version(world):
    for name, text in (("b", OFF), ("b", ON), ("a", OFF)):
        await world.store.add_config("resurrection", name, text, 0.0)
    assert [rule.is_enabled for rule in (await resurrection_of(world)).rules] == [False, True]
    await world.store.commit(DropConfig(type="resurrection", name="a"))
    assert [rule.is_enabled for rule in (await resurrection_of(world)).rules] == [True]


async def test_of_a_config_that_is_bad_the_version_before_counts(world):
    for text in (OFF, BAD, "rules: ["):
        await world.store.add_config("resurrection", "default", text, 0.0)
    found = await resurrection_of(world)
    assert [rule.is_enabled for rule in found.rules] == [False]
    (warning,) = found.warnings
    assert "resurrection config default cannot be used, so its version 1 counts instead" in warning


async def test_a_config_that_was_never_good_is_absent_and_the_others_count(world):
    await world.store.add_config("resurrection", "bad", BAD, 0.0)
    await world.store.add_config("resurrection", "good", OFF, 0.0)
    found = await resurrection_of(world)
    assert [rule.is_enabled for rule in found.rules] == [False]
    assert "counts as absent" in found.warnings[0]
