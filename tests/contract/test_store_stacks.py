"""What the Store port promises of stacks of network objects: who uses them, what they hold, who may remove them."""

import asyncio
from dataclasses import replace

import pytest

from director.model.fabric import StackRecord, StackState
from director.model.record import DeploymentRecord
from director.ports.failure import Conflict
from director.ports.store import (
    DropDeployment,
    DropStack,
    JoinStack,
    LeaveStack,
    PutDeployment,
    PutSetting,
    PutStack,
    RetireStack,
)
from tests.contract.test_store import STORES
from tests.formats.samples import STACK

BLOCK, ADDRESS = STACK.claims
OTHER = replace(STACK, name="network/other/0", claims=("pool:floating|1.2.3.9",))
BARE = replace(STACK, objects=())


@pytest.fixture(params=sorted(STORES))
async def store(request, tmp_path):
    async with STORES[request.param](tmp_path) as opened:
        yield opened


def _join(stack=STACK, user="shop"):
    return JoinStack(stack=stack, user=user)


def _put(stack=STACK, state=StackState.READY):
    return PutStack(record=StackRecord(stack=stack, state=state, users=("nobody",)))


async def _only(store):
    (record,) = await store.stacks()
    return record


async def test_joining_writes_a_new_stack_without_objects(store):
    await store.commit(_join())
    assert await store.stacks() == (StackRecord(stack=BARE, state=StackState.CHANGING, users=("shop",)),)


async def test_a_stack_is_read_as_it_was_put_and_its_users_are_those_who_joined(store):
    await store.commit(_join(), _join(user="blog"), _join(user="blog"))
    await store.commit(_put())
    assert await _only(store) == StackRecord(stack=STACK, state=StackState.READY, users=("blog", "shop"))


async def test_joining_leaves_a_recorded_stack_as_it_is(store):
    await store.commit(_join(), _put())
    await store.commit(_join(replace(STACK, cpi="west", claims=()), user="blog"))
    assert (await _only(store)).stack == STACK
    with pytest.raises(Conflict):
        await store.commit(_join(replace(OTHER, claims=(BLOCK,))))


async def test_stacks_are_sorted_by_name(store):
    names = ["network/b/0", "network/B/0", "group/a/x", "config/ä"]
    await store.commit(*(_join(replace(STACK, name=name, claims=())) for name in names))
    assert [one.stack.name for one in await store.stacks()] == sorted(names)


async def test_a_record_has_the_stacks_of_its_deployment_with_all_their_users(store):
    await store.commit(
        PutDeployment(record=DeploymentRecord(name="shop")),
        PutDeployment(record=DeploymentRecord(name="blog")),
        _join(),
        _join(user="blog"),
        _join(OTHER, user="blog"),
    )
    assert [(s.stack.name, s.users) for s in (await store.record("shop")).stacks] == [(STACK.name, ("blog", "shop"))]
    assert [s.stack.name for s in (await store.record("blog")).stacks] == [OTHER.name, STACK.name]


async def test_what_a_stack_claims_no_other_stack_may_claim(store):
    await store.commit(_join())
    with pytest.raises(Conflict, match=rf"1\.2\.3\.4.*{STACK.name}"):
        await store.commit(_join(replace(OTHER, claims=("x|y", ADDRESS))))
    assert len(await store.stacks()) == 1
    await store.commit(_join(OTHER))
    with pytest.raises(Conflict, match=rf"10\.20\.0\.0/24.*{STACK.name}"):
        await store.commit(_put(replace(OTHER, claims=(BLOCK,))))


async def test_two_new_stacks_of_one_commit_may_not_claim_the_same(store):
    with pytest.raises(Conflict):
        await store.commit(_join(), _join(replace(OTHER, claims=(BLOCK,))))
    assert await store.stacks() == ()


async def test_a_claim_is_free_once_its_stack_gave_it_up_or_is_gone(store):
    await store.commit(_join(), _join(OTHER))
    await store.commit(_put(replace(STACK, claims=(BLOCK,))), _put(replace(OTHER, claims=(ADDRESS, *OTHER.claims))))
    await store.commit(DropStack(name=STACK.name))
    await store.commit(_put(replace(OTHER, claims=(BLOCK, ADDRESS))))
    assert (await _only(store)).stack.claims == (BLOCK, ADDRESS)


async def test_of_many_who_claim_the_same_at_once_one_gets_it(store):
    stacks = [replace(STACK, name=f"network/n{number}/0", claims=(ADDRESS,)) for number in range(20)]
    ended = await asyncio.gather(*(store.commit(_join(stack)) for stack in stacks), return_exceptions=True)
    assert [type(error) for error in ended if error is not None] == [Conflict] * 19
    assert len(await store.stacks()) == 1


async def test_a_stack_that_is_not_recorded_is_not_put(store):
    with pytest.raises(Conflict, match=STACK.name):
        await store.commit(_put())
    assert await store.stacks() == ()


async def test_a_stack_that_others_use_is_not_retired_and_nothing_of_the_commit_happens(store):
    await store.commit(_join(), _join(user="blog"), _put())
    with pytest.raises(Conflict, match="blog"):
        await store.commit(PutSetting(name="before", value={}), RetireStack(name=STACK.name, user="shop"))
    assert (await _only(store)).state is StackState.READY
    assert await store.setting("before") is None


async def test_a_stack_that_nobody_else_uses_is_retired_and_keeps_its_user(store):
    await store.commit(_join(), _put())
    await store.commit(RetireStack(name=STACK.name, user="shop"))
    assert await _only(store) == StackRecord(stack=STACK, state=StackState.REMOVING, users=("shop",))
    await store.commit(LeaveStack(name=STACK.name, user="shop"), RetireStack(name=STACK.name, user="anybody"))
    assert (await _only(store)).users == ()


async def test_a_stack_that_is_being_removed_is_joined_by_nobody(store):
    await store.commit(_join(), RetireStack(name=STACK.name, user="shop"))
    for user in ("blog", "shop"):
        with pytest.raises(Conflict, match=STACK.name):
            await store.commit(_join(user=user))
    assert (await _only(store)).users == ("shop",)
    await store.commit(DropStack(name=STACK.name))
    await store.commit(_join(user="blog"))
    assert (await _only(store)).users == ("blog",)


async def test_leaving_and_retiring_what_is_not_recorded_is_no_error(store):
    await store.commit(
        LeaveStack(name="a", user="shop"), RetireStack(name="b", user="shop"), DropStack(name="c"), _join()
    )
    await store.commit(LeaveStack(name=STACK.name, user="never joined"))
    assert (await _only(store)).users == ("shop",)


async def test_a_dropped_deployment_has_left_its_stacks_which_stay_with_what_they_claim(store):
    await store.commit(
        PutDeployment(record=DeploymentRecord(name="shop")), _join(), _put(), _join(OTHER), _join(OTHER, user="blog")
    )
    await store.commit(DropDeployment(name="shop"))
    assert [(one.stack.name, one.state, one.users) for one in await store.stacks()] == [
        (OTHER.name, StackState.CHANGING, ("blog",)),
        (STACK.name, StackState.READY, ()),
    ]
    with pytest.raises(Conflict):
        await store.commit(_join(replace(OTHER, name="network/third/0", claims=(ADDRESS,))))
