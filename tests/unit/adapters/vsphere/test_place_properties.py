"""Whatever is wished for on whatever site: nothing is given away twice, nothing depends on order or chance."""

from collections import Counter

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from director.adapters.vsphere.facts import DiskAt, Facts
from director.adapters.vsphere.fit import HEADROOM_MB
from director.adapters.vsphere.needs import OVERHEAD_MB
from director.adapters.vsphere.place import place
from director.adapters.vsphere.where import disk_where, vm_where
from director.model.names import DiskCid
from tests.support.vsphere_site import cluster, disk, host, settings, site, store, vm

SIZES = st.sampled_from([1, 2, 5, 13])


@st.composite
def sites(draw):
    clusters = [
        cluster(name, *(host(f"{name}{i}", draw(st.integers(0, 64))) for i in range(draw(st.integers(1, 3)))))
        for name in "AB"[: draw(st.integers(1, 2))]
    ]
    hosts = [one for part in clusters for one in part.hosts]
    stores = [
        store(f"{kind}{i}", draw(st.integers(0, 80)), draw(st.lists(st.sampled_from(hosts), min_size=1, unique=True)))
        for kind in "ep"
        for i in range(draw(st.integers(1, 3)))
    ]
    return site(clusters, stores)


@st.composite
def wishes(draw):
    labels = draw(st.lists(st.sampled_from([f"{group}/{i}" for group in "xy" for i in range(5)]), unique=True))
    vms = [
        vm(label, ram_gb=draw(SIZES), disk_gb=draw(SIZES), disks=[f"old-{label}"] if draw(st.booleans()) else [])
        for label in labels
    ]
    disks = [disk(f"new-{label}", label, draw(SIZES)) for label in labels if draw(st.booleans())]
    return vms, disks


def facts_for(vms, there):
    stores = [one.moid for one in there.datastores]
    at = {
        cid: DiskAt(datastore=stores[i % len(stores)], size_mb=1024) for i, one in enumerate(vms) for cid in one.disks
    }
    return Facts(disks=at)


def run(there, vms, disks):
    return place(vms, disks, there, settings(*(one.name for one in there.clusters)), facts_for(vms, there))


@hypothesis_settings(deadline=None)
@given(sites(), wishes())
def test_never_more_is_given_than_there_is(there, wished):
    vms, disks = wished
    placements = run(there, vms, disks)
    if placements.problems:
        return
    assert set(placements.vms) == {one.name for one in vms}
    assert set(placements.disks) == {one.name for one in disks}
    memory, space = Counter(), Counter()
    for one in vms:
        where = vm_where(placements.vms[one.name].where)
        ram = one.shape.cloud_properties["ram"] + OVERHEAD_MB
        memory[where.cluster] += ram
        memory[where.host] += ram
        space[where.datastore] += one.shape.cloud_properties["disk"] + ram
        for cid, moid in where.moves.items():
            space[moid] += facts_for(vms, there).disks[DiskCid(cid)].size_mb
    for one in disks:
        space[disk_where(placements.disks[one.name].where).datastore] += one.size_mb
    for part in there.clusters:
        assert memory[part.moid] <= sum(one.free_mb for one in part.hosts)
        assert all(memory[one.moid] <= one.free_mb for one in part.hosts)
    for one in there.datastores:
        assert space[one.moid] == 0 or space[one.moid] < one.free_mb - HEADROOM_MB + 1


@hypothesis_settings(deadline=None)
@given(sites(), wishes())
def test_every_vm_reaches_all_its_disks_from_the_host_it_is_given(there, wished):
    vms, disks = wished
    placements = run(there, vms, disks)
    reach = {one.moid: one.hosts for one in there.datastores}
    facts = facts_for(vms, there)
    for one in vms:
        if one.name not in placements.vms:
            continue
        where = vm_where(placements.vms[one.name].where)
        hosts = (
            {where.host} if where.host else {h.moid for c in there.clusters if c.moid == where.cluster for h in c.hosts}
        )
        new = [disk_where(placements.disks[d.name].where).datastore for d in disks if d.vm == one.name]
        old = [where.moves.get(cid, facts.disks[cid].datastore) for cid in one.disks]
        for moid in (where.datastore, *new, *old):
            assert hosts <= reach[moid]


@hypothesis_settings(deadline=None)
@given(sites(), wishes(), st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_anything(there, wished, chance):
    vms, disks = wished
    first = run(there, vms, disks)
    assert run(there, vms, disks) == first
    facts = facts_for(vms, there)
    names = settings(*(one.name for one in there.clusters))
    chance.shuffle(vms)
    chance.shuffle(disks)
    assert place(vms, disks, there, names, facts) == first


@hypothesis_settings(deadline=None)
@given(sites(), wishes())
def test_what_fails_says_for_whom_and_what_to_do(there, wished):
    vms, disks = wished
    placements = run(there, vms, disks)
    failed = {one.name for one in vms} - set(placements.vms)
    assert bool(failed) == bool(placements.problems)
    assert all(problem.fix and problem.code.startswith("vsphere.") for problem in placements.problems)


@hypothesis_settings(deadline=None)
@given(sites(), wishes())
def test_a_vm_fewer_never_makes_a_single_remaining_vm_impossible(there, wished):
    vms, _ = wished
    if not run(there, vms, []).problems:
        for one in vms:
            assert not place(
                [one], [], there, settings(*(c.name for c in there.clusters)), facts_for(vms, there)
            ).problems
