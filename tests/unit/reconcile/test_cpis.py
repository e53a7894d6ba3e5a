"""The infrastructures follow the CPI configs, and only their changes."""

import pytest

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.infrastructure import MemoryInfrastructure
from director.adapters.memory.store import MemoryStore
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.model.problem import Problem, Refused
from director.ports.failure import InfrastructureFailure
from director.reconcile.cpis import Cpis

EAST = "{name: east, type: memory, properties: {zone: e}}"
WEST = "{name: west, type: memory}"


class Closing(MemoryInfrastructure):
    def __init__(self, name):
        super().__init__()
        self.name, self.is_closed = name, False

    async def close(self):
        self.is_closed = True


@pytest.fixture
def own():
    return Closing("own")


@pytest.fixture
def world(own):
    clock = SystemClock()
    return World(
        store=MemoryStore(),
        infrastructures=Infrastructures(own),
        agents=MemoryAgents(clock),
        secrets=None,
        tasklog=None,
        clock=clock,
    )


@pytest.fixture
def made():
    return []


@pytest.fixture
def cpis(world, made):
    def make(entry):
        made.append(Closing(entry.name))
        return made[-1]

    return Cpis(world, make)


async def configure(world, cpis, *entries, name="default"):
    await world.store.add_config("cpi", name, f"cpis: [{', '.join(entries)}]", 0.0)
    await cpis.refresh()


async def test_without_configs_there_is_the_directors_own_only(world, cpis, own):
    await cpis.refresh()
    assert world.infrastructures.by_cpi == {"": own}
    with pytest.raises(InfrastructureFailure, match='no CPI config has a CPI "east".*none'.replace("no CPI", "No CPI")):
        world.infrastructures.of("east")


async def test_each_cpi_of_every_config_is_there_and_made_once(world, cpis, made):
    await configure(world, cpis, EAST)
    await configure(world, cpis, WEST, name="more")
    await cpis.refresh()
    assert [one.name for one in made] == ["east", "west"]
    assert set(world.infrastructures.by_cpi) == {"", "east", "west"}


async def test_a_changed_cpi_is_made_anew_the_others_stay_and_the_old_one_is_closed_at_the_end(world, cpis, made):
    await configure(world, cpis, EAST, WEST)
    await configure(world, cpis, EAST.replace("zone: e", "zone: f"), WEST)
    assert [one.name for one in made] == ["east", "west", "east"]
    assert world.infrastructures.of("east") is made[2]
    assert world.infrastructures.of("west") is made[1]
    assert not made[0].is_closed
    await cpis.close()
    assert [one.is_closed for one in made] == [True, True, True]


async def test_what_is_wrong_in_a_cpis_properties_is_told_with_its_name(world):
    def make(_):
        raise Refused([Problem(code="x", summary="x", detail="properties lacks host.", fix="add it.")])

    with pytest.raises(Refused) as refused:
        await configure(world, Cpis(world, make), EAST)
    assert [problem.detail for problem in refused.value.problems] == ['CPI "east": properties lacks host.']


async def test_a_cpi_that_is_no_longer_named_is_gone(world, cpis):
    await configure(world, cpis, EAST, WEST)
    await configure(world, cpis, WEST)
    with pytest.raises(InfrastructureFailure, match="there is: west"):
        world.infrastructures.of("east")


async def test_a_renamed_cpi_answers_to_its_former_names_even_the_directors_own(world, cpis, own):
    await configure(world, cpis, '{name: new, type: memory, migrated_from: [{name: old}, {name: ""}]}')
    new = world.infrastructures.of("new")
    assert world.infrastructures.of("old") is new
    assert world.infrastructures.of("") is new
    await configure(world, cpis, "{name: other, type: memory}")
    assert world.infrastructures.of("") is own


async def test_a_config_is_checked_without_being_put_in_place(world):
    def make(entry):
        raise Refused([Problem(code="x", summary="Wrong", detail=f"{entry.properties} will not do.", fix="change it.")])

    problems = Cpis(world, make).check(f"cpis: [{EAST}, {WEST}]", "cpi.yml")
    assert [str(problem.detail).split(":")[0] for problem in problems] == ['CPI "east"', 'CPI "west"']
    assert set(world.infrastructures.by_cpi) == {""}
