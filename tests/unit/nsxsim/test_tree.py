"""The tree: transactions, indexes and listeners."""

import pytest

from tests.nsxsim.write import Who

ADMIN = Who("admin")


def _heard(world):
    heard = []
    world.sim.tree.listen(lambda path, before, after: heard.append((path, _word(before), _word(after))))
    return heard


def _word(body):
    return None if body is None else ("marked" if body["marked_for_delete"] else body["_revision"])


async def test_listeners_hear_each_change_and_a_delete_twice(world):
    heard = _heard(world)
    await world.patch("/infra/ip-pools/p")
    await world.patch("/infra/ip-pools/p", {"description": "x"})
    await world.patch("/infra/ip-pools/p", {"description": "x"})
    await world.delete("/infra/ip-pools/p")
    world.clock.advance(1)
    path = "/infra/ip-pools/p"
    assert heard == [(path, None, 0), (path, 0, 1), (path, 1, "marked"), (path, "marked", None)]


async def test_listeners_hear_nothing_of_what_did_not_stand(world):
    heard = _heard(world)
    await world.refused("PATCH", "/infra/tier-1s/t", {"tier0_path": "/infra/tier-0s/none"})
    assert heard == []


async def test_what_a_listener_changes_is_told_after(world):
    def follow(path, before, after):
        if path == "/infra/ip-pools/a" and before is None:
            world.sim.write("/infra/ip-pools/b", {}, ADMIN)

    world.sim.tree.listen(follow)
    heard = _heard(world)
    await world.patch("/infra/ip-pools/a")
    assert [path for path, _, _ in heard] == ["/infra/ip-pools/a", "/infra/ip-pools/b"]


def test_a_failed_transaction_leaves_the_indexes_as_they_were(world):
    tree = world.sim.tree
    world.sim.write("/infra/tier-1s/t", {"tier0_path": "/infra/tier-0s/tier-0"}, ADMIN)
    users = tree.users("/infra/tier-0s/tier-0")

    def fail_after_all():
        with tree.transaction():
            world.sim.write("/infra/tier-1s/t", {"tier0_path": "/infra/tier-0s/tier-0", "description": "x"}, ADMIN)
            world.sim.write("/infra/tier-1s/u", {"tier0_path": "/infra/tier-0s/tier-0"}, ADMIN)
            world.sim.delete("/infra/tier-1s/t", ADMIN)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_all()
    assert tree.users("/infra/tier-0s/tier-0") == users
    assert tree.get("/infra/tier-1s/t")["_revision"] == 0
    assert tree.get("/infra/tier-1s/u") is None
    assert [node.id for node in tree.children("/infra", "tier-1s")] == ["strangers-gateway", "t"]


async def test_projects_have_a_tree_of_their_own(world):
    base = "/orgs/default/projects/p"
    assert (await world.refused("PATCH", f"{base}/infra/segments/s", {}))[0] == 404
    await world.put(base, {"display_name": "P"})
    await world.patch(f"{base}/infra/segments/s")
    assert (await world.get(f"{base}/infra/segments/s"))["path"] == f"{base}/infra/segments/s"
    assert (await world.refused("GET", "/infra/segments/s"))[0] == 404
    assert (await world.refused("DELETE", base))[:2] == (400, 500030)
    await world.delete(f"{base}/infra/segments/s")
    await world.delete(base)
