"""resolve: the whole of it on the worked example, and what a VM and a disk are made from (2.1, appendix B)."""

from dataclasses import replace

import pytest

from director.model.cloud import Az
from director.model.deployment import Consumes, GroupNetwork, Lifecycle, Provides, VmResources
from director.model.problem import Refused
from director.model.release import LinkConsumed, LinkProvided, PropertySpec
from director.model.wanted import DiskShape, Want
from tests.unit.planning.samples import (
    STEMCELL,
    catalog,
    cloud,
    deployment,
    group,
    instances,
    job,
    job_ref,
    joined,
    package,
    record_of,
    recorded,
    row,
    solve,
)

DB = job(
    "db",
    properties={"admin.password": PropertySpec()},
    provides=(LinkProvided(name="conn", type="sql", properties=("admin.password",)),),
    packages=("pg",),
)
APP = job("app", consumes=(LinkConsumed(name="conn", type="sql"),))
SOFTWARE = catalog(DB, APP, packages=(package("pg"),))
STORE = group(
    "store",
    3,
    ["z1", "z2"],
    persistent_disk_type="ten",
    networks=[joined(static_ips=("10.0.1.10", "10.0.1.11", "10.0.2.10"))],
    jobs=[
        job_ref(
            "db",
            provides=(Provides(name="conn", alias="main-db", shared=True),),
            properties={"admin": {"password": "((admin_pw))"}},
        )
    ],
)
FRONT = group(
    "front",
    4,
    ["z1", "z2"],
    vm_extensions=("lb",),
    jobs=[job_ref("app", consumes=(Consumes(name="conn", source="main-db"),))],
)
DEMO = deployment(STORE, FRONT)


def test_the_worked_example_of_appendix_b():
    wanted = solve(DEMO, software=SOFTWARE)
    where = {i.label: (i.az, i.addresses[0].ip) for i in instances(wanted)}
    assert where == {
        "store/0": ("z1", "10.0.1.10"),
        "store/1": ("z2", "10.0.2.10"),
        "store/2": ("z1", "10.0.1.11"),
        "front/0": ("z1", "10.0.1.31"),
        "front/1": ("z2", "10.0.2.31"),
        "front/2": ("z1", "10.0.1.32"),
        "front/3": ("z2", "10.0.2.32"),
    }
    link = instances(wanted, "front")[0].jobs[0].links["conn"]
    assert [i["address"] for i in link["instances"]] == ["10.0.1.10", "10.0.2.10", "10.0.1.11"]
    assert link["properties"] == {"admin": {"password": "((admin_pw))"}}
    assert wanted.releases == (("web", "3.1"),)
    assert wanted.stemcells == (("jammy-go", "1.200"),)
    assert [p.name for p in instances(wanted, "store")[0].packages] == ["pg"]


def test_a_vm_is_made_of_zone_then_type_then_extensions():
    shape = instances(solve(DEMO, software=SOFTWARE), "front")[1].shape
    assert shape.cloud_properties == {"zone": "z2", "shared": "type", "cpu": 1, "pool": "front"}
    assert (shape.stemcell_name, shape.stemcell_version, shape.stemcell_cid) == ("jammy-go", "1.200", "sc-1")
    assert shape.networks["private"]["ip"] == "10.0.2.31"


def test_resources_become_what_the_zone_s_infrastructure_makes_of_them():
    asked = VmResources(cpu=2, ram_mb=512, ephemeral_disk_mb=1000)
    sizes = {("", asked): {"machine": "small"}}
    shape = instances(solve(deployment(group("g", vm_resources=asked)), sizes=sizes))[0].shape
    assert shape.cloud_properties == {"zone": "z1", "shared": "az", "machine": "small"}


def test_env_is_kept_with_its_placeholders():
    env = {"bosh": {"password": "((pw))"}}
    assert instances(solve(deployment(group("g", env=env))))[0].shape.env == env


@pytest.mark.parametrize(
    ("rest", "disk"),
    [
        ({}, None),
        ({"persistent_disk_mb": 64}, DiskShape(size_mb=64)),
        ({"persistent_disk_type": "ten"}, DiskShape(size_mb=10240, cloud_properties={"fast": True})),
    ],
)
def test_a_disk_is_made_from_size_or_type(rest, disk):
    assert instances(solve(deployment(group("g", **rest))))[0].disk == disk


def test_group_tags_win_over_the_deployment_s():
    wanted = solve(deployment(group("g", tags={"a": "group", "c": "3"}), tags={"a": "all", "b": "2"}))
    assert instances(wanted)[0].tags == {"a": "group", "b": "2", "c": "3"}
    assert wanted.tags == {"a": "all", "b": "2"}


def test_an_errand_group_has_instances_with_addresses_too():
    instance = instances(solve(deployment(group("g", lifecycle=Lifecycle.ERRAND))))[0]
    assert (instance.lifecycle, instance.addresses[0].ip) == (Lifecycle.ERRAND, "10.0.1.31")


def test_a_stopped_instance_stays_stopped_unless_overridden():
    record = record_of(row(0, "z1", want=Want.STOPPED), row(1, "z1", want=Want.DETACHED), row(2, "z1"))
    wants = [i.want for i in instances(solve(deployment(group("g", 4)), record=record))]
    assert wants == [Want.STOPPED, Want.DETACHED, Want.STARTED, Want.STARTED]
    states = {"g-0": Want.STARTED, "g-2": Want.STOPPED}
    wants = [i.want for i in instances(solve(deployment(group("g", 3)), record=record, states=states))]
    assert wants == [Want.STARTED, Want.DETACHED, Want.STOPPED]


def test_only_unrecorded_instances_are_new():
    wanted = solve(deployment(group("g", 2)), record=record_of(row(0, "z1")))
    assert [i.is_new for i in instances(wanted)] == [False, True]


def test_the_stemcell_of_the_zone_s_cpi_is_taken():
    clouds = replace(cloud(), azs=(Az(name="z1", cpi="east"),))
    east = replace(STEMCELL, cpi="east", cid="sc-east")
    wanted = solve(deployment(group("g")), clouds, software=catalog(stemcells=(STEMCELL, east)))
    assert instances(wanted)[0].shape.stemcell_cid == "sc-east"
    with pytest.raises(Refused, match='for cpi "east"') as caught:
        solve(deployment(group("g")), clouds)
    assert [p.number for p in caught.value.problems] == [50003]


def test_every_kind_of_problem_is_told_at_once():
    broken = deployment(
        group("a", jobs=[job_ref("nope")]),
        group("b", networks=[joined(static_ips=("10.0.1.5",))]),
        group("c", jobs=[job_ref("app")]),
        group("d", jobs=[replace(job_ref("app"), release="gone")]),
        replace(group("e"), stemcell="missing"),
    )
    with pytest.raises(Refused) as caught:
        solve(broken, software=SOFTWARE)
    assert sorted(p.number for p in caught.value.problems) == [30005, 50003, 130013, 140029, 190016]


def test_a_version_that_is_not_uploaded_is_refused():
    with pytest.raises(Refused) as caught:
        solve(deployment(group("g", jobs=[job_ref("app")])), software=SOFTWARE, versions={"web": "9"})
    assert [p.number for p in caught.value.problems] == [30006]


def test_an_ignored_instance_may_not_change_networks():
    record = recorded(solve(deployment(group("g"))))
    ignored = replace(record, instances=tuple(replace(i, is_ignored=True) for i in record.instances))
    assert instances(solve(deployment(group("g")), record=ignored))
    moved = deployment(group("g", networks=[GroupNetwork(name="private", static_ips=("10.0.1.10",))]))
    with pytest.raises(Refused) as caught:
        solve(moved, record=ignored)
    assert [p.number for p in caught.value.problems] == [190020]


def test_three_five_two_keeps_the_lowest_indexes():
    zones = ["z1", "z2", "z3"]
    record = None
    seen = []
    for count in (3, 5, 2):
        wanted = solve(deployment(group("web", count, zones)), record=record)
        record = recorded(wanted, record)
        seen.append({i.index: (i.id, i.az, i.addresses[0].ip) for i in instances(wanted)})
    assert [list(one) for one in seen] == [[0, 1, 2], [0, 1, 2, 3, 4], [0, 1]]
    assert seen[0].items() <= seen[1].items()
    assert seen[2].items() <= seen[1].items()
