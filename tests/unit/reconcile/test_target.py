"""Naming instances: what each form finds, and that naming nothing is refused."""

import pytest

from director.model.names import DeploymentName, GroupName, InstanceId
from director.model.problem import Refused
from director.model.record import InstanceRecord
from director.reconcile.target import ids_of, targets


def instance(group, index, **more):
    return InstanceRecord(
        id=InstanceId(f"{group}-{index}-uuid"),
        deployment=DeploymentName("d"),
        group=GroupName(group),
        index=index,
        **more,
    )


KNOWN = [instance("web", 2), instance("web", 0), instance("db", 0), instance("compilation", 0, is_compilation=True)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("*", ["db/0", "web/0", "web/2"]),
        ("web", ["web/0", "web/2"]),
        ("web/2", ["web/2"]),
        ("web/web-2-uuid", ["web/2"]),
        ("web/first", ["web/0"]),
        ("*/*", ["db/0", "web/0", "web/2"]),
    ],
)
def test_a_name_finds_its_instances_by_group_and_index(name, found):
    assert [i.label for i in targets(name, KNOWN)] == found


@pytest.mark.parametrize("name", ["ghost", "web/1", "compilation", "compilation/0"])
def test_a_name_of_nothing_is_refused_and_says_what_there_is(name):
    with pytest.raises(Refused) as caught:
        targets(name, KNOWN)
    assert "db, web" in caught.value.problems[0].fix


def test_a_deployment_without_instances_says_so_whatever_is_named():
    with pytest.raises(Refused) as caught:
        targets("*", [])
    assert caught.value.problems[0].detail == "This deployment has no instances."


def test_ids_of_several_names_are_joined():
    assert ids_of(["db", "web/0"], KNOWN) == {"db-0-uuid", "web-0-uuid"}
