"""Where VMs and disks go: most free first, apart, reachable, and never a chance."""

import json
import random

import pytest

from director.adapters.vsphere.choices import ClusterChoice, HostGroup
from director.adapters.vsphere.facts import DiskAt, Facts, Standing, StemcellAt
from director.adapters.vsphere.place import asked_of, place, policies_of
from director.adapters.vsphere.site import Asked, Inventory, Pod
from director.adapters.vsphere.where import NetworkKind, disk_where, vm_where
from director.model.names import DeploymentName, DiskCid, StemcellCid, VmName
from tests.support.vsphere_site import cluster, disk, host, network, settings, site, store, vm

A, B = cluster("A"), cluster("B", host("B-a", 40), host("B-b", 40))
SITE = site([A, B], [store("e1", 500, [A, B]), store("e2", 400, [A, B]), store("p1", 500, [A, B])])
BOTH = settings("A", "B")


def where(placements, label):
    assert placements.problems == ()
    return vm_where(placements.vms[VmName(f"vm-{label}")].where)


def codes(placements):
    return [problem.code for problem in placements.problems]


def test_a_vm_goes_to_the_cluster_with_most_memory_and_the_datastore_with_most_space():
    placements = place([vm("web/0")], [], SITE, BOTH)
    found = where(placements, "web/0")
    assert (found.cluster_name, found.pool, found.host, found.datastore) == ("A", "root-A", "host-A-a", "ds-e1")
    assert placements.vms["vm-web/0"].why == (
        "cluster A (128 of 128 GB free, most of 2), host A-a, datastore e1 (500 GB free)"
    )


def test_a_place_is_plain_data_that_outlives_json():
    placements = place([vm("web/0")], [disk("d", "web/0")], SITE, BOTH)
    tree = placements.vms["vm-web/0"].where
    assert vm_where(json.loads(json.dumps(tree))) == vm_where(tree)
    assert isinstance(tree["macs"], list)
    assert disk_where(placements.disks["d"].where).datastore_name == "p1"


def test_one_group_is_spread_over_clusters_and_hosts_that_are_about_equal():
    placements = place([vm(f"web/{i}") for i in range(4)], [], SITE, BOTH)
    assert sorted(where(placements, f"web/{i}").host_name for i in range(4)) == ["A-a", "A-b", "B-a", "B-b"]


def test_a_cluster_with_much_less_memory_is_not_used_only_to_be_apart():
    poor = cluster("B", host("B-a", 10), host("B-b", 10))
    placements = place(
        [vm(f"web/{i}") for i in range(4)], [], site([A, poor], [store("e1", 500, [A, poor]), store("p", 9, [A])]), BOTH
    )
    assert {where(placements, f"web/{i}").cluster_name for i in range(4)} == {"A"}


def test_vms_that_stand_already_count_for_being_apart():
    standing = [Standing(name=VmName("x"), deployment=DeploymentName("cf"), label="web/7", host="host-A-a")]
    placements = place([vm("web/0")], [], SITE, settings("A"), Facts(standing=standing))
    assert where(placements, "web/0").host_name == "A-b"


def test_what_one_vm_is_given_is_no_longer_there_for_the_next():
    one = cluster("A", host("h", 10))
    small = site([one], [store("e", 100, [one]), store("p", 9, [one])])
    fits = place([vm("a/0", ram_gb=4), vm("b/0", ram_gb=4)], [], small, settings("A"))
    assert fits.problems == ()
    too_many = place([vm(f"{name}/0", ram_gb=4) for name in "abc"], [], small, settings("A"))
    assert codes(too_many) == ["vsphere.not-enough-memory"]
    assert "1.8 GB of memory free, 4.1 needed" in too_many.problems[0].detail


def test_the_memory_of_a_vm_that_is_replaced_counts_as_free():
    one = cluster("A", host("h", 2))
    small = site([one], [store("e", 4, [one]), store("p", 9, [one])])
    old = Standing(
        name=VmName("old"), deployment=DeploymentName("cf"), label="web/0", host="host-h", ram_mb=8192,
        datastore="ds-e", disk_mb=10240,
    )  # fmt: skip
    assert codes(place([vm("web/0", ram_gb=8)], [], small, settings("A"))) == ["vsphere.not-enough-memory"]
    assert where(place([vm("web/0", ram_gb=8, disk_gb=4)], [], small, settings("A"), Facts(standing=[old])), "web/0")
    assert codes(place([vm("web/1", ram_gb=8)], [], small, settings("A"), Facts(standing=[old])))


def test_a_resource_pool_s_own_memory_counts():
    pooled = cluster("A", pools={"tenants/blue": 3, "green": 100})
    there = site([pooled], [store("e", 99, [pooled]), store("p", 9, [pooled])])
    blue = settings(ClusterChoice(name="A", resource_pool="blue"))
    assert where(place([vm("web/0", ram_gb=2)], [], there, blue), "web/0").pool == "pool-tenants/blue"
    assert codes(place([vm("web/0", ram_gb=4)], [], there, blue)) == ["vsphere.not-enough-memory"]


def test_a_mandatory_host_group_is_never_left_and_another_only_when_it_is_full():
    grouped = cluster("A", host("a", 20), host("b", 60), host_groups={"g": frozenset({"host-a"})})
    there = site([grouped], [store("e", 99, [grouped]), store("p", 9, [grouped])])
    must = settings(ClusterChoice(name="A", host_group=HostGroup(name="g", is_mandatory=True)))
    should = settings(ClusterChoice(name="A", host_group=HostGroup(name="g")))
    found = where(place([vm("web/0")], [], there, must), "web/0")
    assert (found.host_name, found.host_group) == ("a", HostGroup(name="g", is_mandatory=True))
    assert where(place([vm("web/0")], [], there, should), "web/0").host_name == "a"
    assert where(place([vm("web/0", ram_gb=40)], [], there, should), "web/0").host_name == "b"
    assert codes(place([vm("web/0", ram_gb=40)], [], there, must)) == ["vsphere.not-enough-memory"]


def test_a_vm_that_no_single_host_can_take_is_left_for_vcenter_to_make_room():
    crowded = cluster("A", host("a", 10), host("b", 10))
    there = site([crowded], [store("e", 99, [crowded]), store("p", 9, [crowded])])
    found = where(place([vm("web/0", ram_gb=15)], [], there, settings("A")), "web/0")
    assert (found.host, found.cpu_mhz) == (None, 2500)


def test_hosts_and_datastores_in_maintenance_are_not_used():
    resting = cluster("A", host("a", is_usable=False), host("b", 8))
    there = site(
        [resting], [store("e1", 900, [resting], is_usable=False), store("e2", 50, [resting]), store("p", 9, [resting])]
    )
    found = where(place([vm("web/0")], [], there, settings("A")), "web/0")
    assert (found.host_name, found.datastore_name) == ("b", "e2")
    off = cluster("A", host("a", is_usable=False))
    assert codes(
        place([vm("web/0")], [], site([off], [store("e", 9, [off]), store("p", 9, [off])]), settings("A"))
    ) == ["vsphere.no-usable-host"]


def test_swap_and_headroom_count_for_the_datastore():
    one = cluster("A")
    # 2 GB of disk, 1 GB and 128 MB of swap, 1 GB that stays free: 4.125 GB.
    for free, is_enough in ((4.12, False), (4.13, True)):
        there = site([one], [store("e", free, [one]), store("p", 9, [one])])
        assert (place([vm("web/0")], [], there, settings("A")).problems == ()) is is_enough


def test_a_stemcell_takes_its_space_once_on_each_datastore_without_it():
    one = cluster("A")
    there = site([one], [store("e", 10, [one]), store("p", 9, [one])])
    sized = {StemcellCid("sc-1"): StemcellAt(size_mb=3072)}
    both = [vm("a/0"), vm("b/0")]  # twice 3.1 GB
    assert codes(place(both, [], there, settings("A"), Facts(stemcells=sized))) == ["vsphere.not-enough-space"]
    there_already = {StemcellCid("sc-1"): StemcellAt(size_mb=3072, datastores=frozenset({"ds-e"}))}
    assert place(both, [], there, settings("A"), Facts(stemcells=there_already)).problems == ()


def test_a_persistent_disk_lies_where_its_vm_s_host_reaches_it():
    one, two = host("a", 60), host("b", 50)
    local = cluster("A", one, two)
    there = site([local], [store("e-a", 90, [one]), store("e-b", 90, [two]), store("p-b", 90, [two])])
    placements = place([vm("db/0")], [disk("d", "db/0")], there, settings("A"))
    assert where(placements, "db/0").host_name == "b"
    assert where(placements, "db/0").datastore_name == "e-b"
    assert disk_where(placements.disks["d"].where).datastore_name == "p-b"


def test_an_existing_disk_draws_its_vm_to_where_it_need_not_be_moved():
    there = site([A, B], [store("e", 900, [A, B]), store("p-a", 900, [A]), store("p-b", 100, [B])])
    facts = Facts(disks={DiskCid("d-1"): DiskAt(datastore="ds-p-b", size_mb=10240)})
    placements = place([vm("db/0", disks=["d-1"])], [], there, BOTH, facts)
    found = where(placements, "db/0")
    assert (found.cluster_name, found.moves) == ("B", {})
    assert "least to move of 2" in placements.vms["vm-db/0"].why


def test_an_existing_disk_that_cannot_be_reached_is_moved_and_the_plan_says_so():
    there = site([A, B], [store("e", 900, [A, B]), store("p-a", 900, [A]), store("p-b", 100, [B])])
    facts = Facts(disks={DiskCid("d-1"): DiskAt(datastore="ds-p-b", size_mb=10240)})
    placements = place([vm("db/0", disks=["d-1"])], [], there, settings("A"), facts)
    assert where(placements, "db/0").moves == {"d-1": "ds-p-a"}
    assert "moves d-1 to p-a" in placements.vms["vm-db/0"].why


def test_an_existing_disk_stays_on_a_datastore_that_the_pattern_no_longer_takes():
    there = site([A], [store("e", 900, [A]), store("old", 1, [A]), store("p", 900, [A])])
    facts = Facts(disks={DiskCid("d-1"): DiskAt(datastore="ds-old", size_mb=10240)})
    assert where(place([vm("db/0", disks=["d-1"])], [], there, settings("A"), facts), "db/0").moves == {}


def test_a_disk_for_a_vm_that_exists_goes_where_that_vm_runs():
    there = site([A, B], [store("e", 9, [A]), store("p-a", 900, [A]), store("p-b", 100, [B])])
    facts = Facts(standing=[Standing(name=VmName("vm-db/0"), deployment=None, label="", host="host-B-a")])
    placements = place([], [disk("d", "db/0")], there, BOTH, facts)
    assert disk_where(placements.disks["d"].where).datastore == "ds-p-b"
    too_big = place([], [disk("d", "db/0", 200)], there, BOTH, facts)
    assert codes(too_big) == ["vsphere.not-enough-space"]
    assert "p-b 100 GB" in too_big.problems[0].detail


@pytest.mark.parametrize(
    "wanted, expected",
    [
        ({}, "e1"),
        ({"datastores": ["x2"]}, "x2"),
        ({"datastores": ["x."]}, "x1"),
        ({"datastores": [{"clusters": [{"pod": {}}]}]}, "m1"),
        ({"storage_policy": {"name": "gold"}, "datastores": ["x2"]}, "g1"),
    ],
)
def test_a_policy_comes_before_datastores_and_both_before_the_pattern(wanted, expected):
    there = site(
        [A],
        [store("e1", 10, [A]), store("x1", 90, [A]), store("x2", 80, [A]), store("m1", 10, [A], pod="pod-1"),
         store("m2", 90, [A], pod="pod-2"), store("g1", 10, [A]), store("p", 9, [A])],
        pods=[Pod(moid="pod-1", name="pod", has_drs=True), Pod(moid="pod-2", name="pods", has_drs=False)],
    )  # fmt: skip
    facts = Facts(policies={"gold": frozenset({"ds-g1"})})
    assert where(place([vm("web/0", **wanted)], [], there, settings("A"), facts), "web/0").datastore_name == expected


def test_the_settings_policy_yields_to_a_vm_type_s_datastores():
    there = site([A], [store("e1", 99, [A]), store("x1", 90, [A]), store("g1", 10, [A]), store("p", 9, [A])])
    facts, gold = Facts(policies={"gold": frozenset({"ds-g1"})}), settings("A", storage_policy="gold")
    assert where(place([vm("web/0")], [], there, gold, facts), "web/0").datastore_name == "g1"
    assert where(place([vm("web/0", datastores=["x1"])], [], there, gold, facts), "web/0").datastore_name == "x1"
    assert policies_of([vm("web/0"), vm("b/0", datastores=["x1"])], [], gold) == {"gold"}


DVS = {"kind": NetworkKind.DISTRIBUTED, "of": "uuid"}
NSX = {"kind": NetworkKind.NSX_DISTRIBUTED, "of": "nsx.LogicalSwitch"}


@pytest.mark.parametrize(
    "asked, networks, expected",
    [
        ("PG", [network("PG")], "net-PG"),
        ("f/PG", [network("PG", "f/PG"), network("PG", "g/PG")], "net-f/PG"),
        ("S2/PG", [network("PG", "f/PG", switch="S1", **DVS), network("PG", "g/PG", switch="S2", **DVS)], "net-g/PG"),
        ("PG", [network("PG", "f/PG", switch="S1", **DVS), network("PG")], "net-PG"),
        ("PG", [network("PG", "f/PG", key="ls", **NSX), network("PG", "g/PG", key="ls", **NSX)], "net-f/PG"),
        ("PG", [network("PG", "f/PG", key="ls", **NSX), network("PG", "g/PG", key="other", **NSX)], None),
        ("PG", [network("PG", "f/PG", switch="S1", **DVS), network("PG", "g/PG", switch="S2", **DVS)], None),
    ],
)
def test_a_network_is_found_by_name_or_path_and_never_guessed(asked, networks, expected):
    there = site([A], [store("e", 99, [A]), store("p", 9, [A])], networks)
    placements = place([vm("a/0", networks={"n": {"cloud_properties": {"name": asked}}})], [], there, settings("A"))
    if expected is None:
        assert codes(placements) == ["vsphere.ambiguous-network"]
        assert "PG" in placements.problems[0].fix
    else:
        assert [nic.moid for nic in where(placements, "a/0").nics] == [expected]


OPAQUE = {"kind": NetworkKind.OPAQUE, "of": "nsx.LogicalSwitch"}
MANAGED = {"n": {"cloud_properties": {"name": "PG", "managed": True, "t0_router_id": "t0"}}}


def on(hosts):
    return {"hosts": frozenset(hosts)}


@pytest.mark.parametrize(
    "networks, hosts, is_awaited",
    [
        ([], {"host-A-a", "host-A-b"}, True),
        ([network("PG", "f/PG", switch="S1", **DVS), network("PG")], {"host-A-a", "host-A-b"}, True),
        ([network("PG", key="ls", **OPAQUE, **on(["host-A-b"]))], {"host-A-b"}, False),
        ([network("PG", key="ls", **OPAQUE, **on(["host-Z"])),
          network("PG", "g/PG", key="ls", **NSX, **on(["host-A-b"]))], {"host-A-b"}, False),
    ],
)  # fmt: skip
def test_a_segment_of_our_own_need_not_be_there_yet(networks, hosts, is_awaited):
    there = site([A], [store("e", 99, [A]), store("p", 9, [A])], networks)
    placements = place([vm("a/0", networks=MANAGED)], [], there, settings("A"))
    assert placements.problems == placements.warnings == ()
    assert where(placements, "a/0").host in hosts
    (nic,) = where(placements, "a/0").nics
    assert (nic.kind, nic.name, nic.moid, nic.key) == (NetworkKind.SEGMENT, "PG", "", ""), "looked up when it is made"
    said = 'waits for segment "PG" to show in vCenter' in placements.vms["vm-a/0"].why
    assert said is is_awaited


def test_two_segments_of_one_display_name_are_not_guessed_between():
    two = [network("PG", "f/PG", key="ls", **NSX), network("PG", "g/PG", key="other", **OPAQUE)]
    there = site([A], [store("e", 99, [A]), store("p", 9, [A])], two)
    placements = place([vm("a/0", networks=MANAGED)], [], there, settings("A"))
    assert codes(placements) == ["vsphere.ambiguous-network"]
    assert "rename or remove the other segment of that name in NSX" in placements.problems[0].fix


def test_a_vm_runs_only_where_all_its_networks_are():
    nets = [
        network("N1", hosts=frozenset({"host-A-b", "host-B-a"})),
        network("N2", hosts=frozenset({"host-A-a", "host-B-a"})),
    ]
    there = site([A, B], [store("e", 99, [A, B]), store("p", 9, [A])], nets)
    both = {name: {"cloud_properties": {"name": name}} for name in ("N1", "N2")}
    assert where(place([vm("a/0", networks=both)], [], there, BOTH), "a/0").host_name == "B-a"
    nowhere = place([vm("a/0", networks=both)], [], there, settings("A"))
    assert codes(nowhere) == ["vsphere.no-usable-host"]
    assert "N1, N2" in nowhere.problems[0].detail


def test_a_vip_has_no_card_and_macs_never_meet():
    nets = {"n": {"cloud_properties": {"name": "PG"}}, "v": {"type": "vip", "ip": "1.2.3.4"}}
    first = where(place([vm("a/0", networks=nets)], [], SITE, BOTH), "a/0")
    assert len(first.macs) == len(first.nics) == 1
    other = where(place([vm("a/0", networks=nets)], [], SITE, BOTH, Facts(macs=frozenset(first.macs))), "a/0")
    assert first.macs != other.macs


@pytest.mark.parametrize(
    "wish, code, words",
    [
        (vm("a/0", datacenters=[{"name": "DC9"}]), "vsphere.unknown-datacenter", "DC0"),
        (vm("a/0", datacenters=[{"name": "DC0", "clusters": ["AA"]}]), "vsphere.unknown-cluster", 'did you mean "A"'),
        (vm("a/0", datacenters=[{"name": "DC0", "clusters": [{"A": {"resource_pool": "x"}}]}]),
         "vsphere.unknown-resource-pool", "create resource pool x"),
        (vm("a/0", datacenters=[{"name": "DC0", "clusters": [{"A": {"host_group": "x"}}]}]),
         "vsphere.unknown-host-group", "create host group x"),
        (vm("a/0", datastores=["p11"]), "vsphere.unknown-datastore", 'did you mean "p1"'),
        (vm("a/0", datastores=[{"clusters": ["pod"]}]), "vsphere.unknown-datastore-cluster", "create"),
        (vm("a/0", storage_policy={"name": "x"}), "vsphere.unknown-storage-policy", "gold"),
        (vm("a/0", networks={"n": {"cloud_properties": {"name": "PGG"}}}), "vsphere.unknown-network",
         'did you mean "PG"'),
        (vm("a/0", ram_gb=4000), "vsphere.not-enough-memory", "smaller"),
        (vm("a/0", disk_gb=4000), "vsphere.not-enough-space", "free space"),
        (vm("a/0", datastores=["e["]), "vsphere.cloud-properties.bad-pattern", "correct the pattern"),
        (vm("a/0", cpu=None), "vsphere.cloud-properties.missing-key", "cpu"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_what_to_do(wish, code, words):
    found = place([wish], [], SITE, BOTH, Facts(policies={"gold": frozenset()}))
    assert codes(found) == [code]
    assert words in found.problems[0].fix
    assert found.vms == {}


def test_space_is_told_where_it_is():
    problem = place([vm("a/0", disk_gb=4000)], [], SITE, BOTH).problems[0]
    assert "cluster A: 4002 GB needed for its own disks, but free are e1 500 GB, e2 400 GB" in problem.detail


def test_a_pattern_that_matches_nothing_is_told_with_what_there_is():
    found = place([vm("a/0")], [disk("d", "a/0")], SITE, settings("A", ephemeral="^x", persistent="^y"))
    assert codes(found) == ["vsphere.pattern-matches-nothing"] * 2
    assert "e1, e2, p1" in found.problems[0].fix


def test_a_datastore_cluster_without_storage_drs_is_refused():
    there = site([A], SITE.datastores, pods=[Pod(moid="p", name="pod", has_drs=False)])
    found = place([vm("a/0", datastores=[{"clusters": ["pod"]}])], [], there, settings("A"))
    assert codes(found) == ["vsphere.datastore-cluster-without-drs"]


def test_an_address_that_a_stranger_answers_for_is_refused_unless_told_otherwise():
    facts = Facts(strangers={"10.0.0.9": "printer"})
    found = place([vm("a/0")], [], SITE, BOTH, facts)
    assert codes(found) == ["vsphere.address-taken"]
    assert 'VM "printer"' in found.problems[0].detail
    assert place([vm("a/0")], [], SITE, settings("A", refuses_ip_conflicts=False), facts).problems == ()


def test_one_mistake_of_a_group_is_told_once_and_those_of_others_beside_it():
    bad = {"datacenters": [{"name": "DC0", "clusters": ["nope"]}]}
    found = place([*(vm(f"a/{i}", **bad) for i in range(5)), vm("b/0", storage_policy={"name": "x"})], [], SITE, BOTH)
    assert codes(found) == ["vsphere.unknown-cluster", "vsphere.unknown-storage-policy"]


def test_too_many_vms_of_one_group_are_one_problem():
    one = cluster("A", host("h", 10))
    there = site([one], [store("e", 100, [one]), store("p", 9, [one])])
    found = place([vm(f"a/{i}", ram_gb=4) for i in range(9)], [], there, settings("A"))
    assert codes(found) == ["vsphere.not-enough-memory"]
    assert "and 6 more of a in z1" in found.problems[0].detail


def test_an_unknown_datacenter_is_told_with_those_there_are():
    found = place([vm("a/0")], [], Inventory(datacenters=("DC1",)), BOTH)
    assert codes(found) == ["vsphere.unknown-datacenter"]
    assert "DC1" in found.problems[0].fix


def test_what_does_not_fit_spread_out_is_packed():
    small, large = cluster("A", host("a", 4)), cluster("B", host("b", 5))
    there = site([small, large], [store("e", 99, [small, large]), store("p", 9, [small])])
    # The 3 GB would go to B, where there is most; then A takes one of the two others, and neither has room for both.
    placements = place([vm("x/0", ram_gb=2), vm("y/0", ram_gb=2), vm("z/0", ram_gb=3)], [], there, BOTH)
    assert [where(placements, label).cluster_name for label in ("x/0", "y/0", "z/0")] == ["B", "B", "A"]


def test_only_what_is_asked_for_is_read():
    assert asked_of([vm("a/0")], [disk("d", "a/0")], BOTH) == Asked(
        clusters=frozenset({"A", "B"}), networks=frozenset({"PG"}), has_pools=False, has_host_groups=False
    )
    named = vm("a/0", datacenters=[{"name": "DC0", "clusters": [{"C": {"resource_pool": "r", "host_group": "g"}}]}])
    asked = asked_of([named], [], BOTH)
    assert (asked.clusters, asked.has_pools, asked.has_host_groups) == ({"C"}, True, True)
    assert asked_of([], [disk("d", "old/0")], BOTH).clusters is None


def test_the_order_of_the_wishes_changes_nothing():
    wishes = [vm(f"g{i % 3}/{i}", ram_gb=1 + i % 5, disk_gb=1 + i % 7) for i in range(40)]
    disks = [disk(f"d{i}", f"g{i % 3}/{i}", 1 + i % 9) for i in range(0, 40, 3)]
    first = place(wishes, disks, SITE, BOTH)
    assert first.problems == ()
    shuffled = random.Random(4)
    for _ in range(5):
        shuffled.shuffle(wishes)
        shuffled.shuffle(disks)
        assert place(wishes, disks, SITE, BOTH) == first
