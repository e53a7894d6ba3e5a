"""Which privileges are missing where, in words."""

import pytest

pytest.importorskip("pyVmomi")

from director.setup.rights import ON_CLUSTER, ON_DATASTORE, ON_NETWORK, findings_of

NEEDS = {
    "domain-c1": ("cluster C1", ON_CLUSTER),
    "datastore-1": ("datastore DS1", ON_DATASTORE),
    "network-1": ("network N1", ON_NETWORK),
}
ALL = {moid: frozenset(wanted) for moid, (_, wanted) in NEEDS.items()}


def test_with_all_of_them_one_line_tells_on_what():
    (found,) = findings_of(NEEDS, ALL)
    assert found.is_well
    assert all(name in found.detail for name, _ in NEEDS.values())


def test_each_missing_privilege_is_named_with_its_object():
    granted = {**ALL, "datastore-1": ALL["datastore-1"] - {"Datastore.Browse", "Datastore.AllocateSpace"}}
    (found,) = findings_of(NEEDS, granted)
    assert not found.is_well
    assert found.subject == "privileges on datastore DS1"
    assert "Datastore.AllocateSpace, Datastore.Browse" in found.detail
    assert "on datastore DS1" in found.fix


def test_an_object_that_was_not_answered_for_lacks_everything():
    found = findings_of(NEEDS, {})
    assert [one.subject for one in found if not one.is_well] == [
        "privileges on cluster C1", "privileges on datastore DS1", "privileges on network N1",
    ]  # fmt: skip


def test_something_is_needed_on_each_kind_of_object():
    assert ON_CLUSTER
    assert ON_DATASTORE
    assert ON_NETWORK
