"""DRS rules, tags, custom attributes and storage policies on the vCenter simulator."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from pyVmomi import vim

from director.adapters.vsphere.choices import HostGroup
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.policies import Policies
from director.adapters.vsphere.rule_changes import (
    PATHS,
    ClusterRules,
    Membership,
    apart_name,
    host_rule_name,
    read_rules,
)
from director.adapters.vsphere.rules import Rules
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.tags import CustomAttributes, Tags
from director.ports.failure import InfrastructureFailure
from tests.support.vcsim import Vcsim, vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_world import moids, opened

CLUSTERS = 12
OURS = "director-d1"
WEB = apart_name(OURS, "web")
TAGGING = "/rest/com/vmware/cis/tagging"


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Vcsim, Iterator[int]]]:
    """The simulator, and numbers of clusters: each test has one to itself."""
    need_vcsim()
    with vcsim(clusters=CLUSTERS, hosts=2, datastores=2, vms=4) as sim:
        yield sim, iter(range(CLUSTERS))


@pytest.fixture
async def session(shared: tuple[Vcsim, Iterator[int]]) -> AsyncIterator[Session]:
    async with opened(shared[0]) as session:
        yield session


class Cluster:
    def __init__(self, session: Session, sim: Vcsim, moid: str, vms: Mapping[str, str]) -> None:
        self.session = session
        self.sim = sim
        self.moid = moid
        self.vms = vms

    async def rules(self) -> ClusterRules:
        entity = self.session.of(vim.ClusterComputeResource, self.moid)
        seen = await self.session.read("look", vim.ClusterComputeResource, PATHS, [entity])
        return read_rules(seen[self.moid])

    async def reconfigure(self, spec: vim.cluster.ConfigSpecEx) -> None:
        entity = self.session.of(vim.ClusterComputeResource, self.moid)
        await self.session.task("by hand", lambda: entity.ReconfigureEx(spec, True))

    def changes(self) -> int:
        return self.sim.counts().get("ReconfigureComputeResource_Task", 0)


@pytest.fixture
async def cluster(shared: tuple[Vcsim, Iterator[int]], session: Session) -> Cluster:
    sim, numbers = shared
    name = f"DC0_C{next(numbers)}"
    vms = await moids(session, vim.VirtualMachine)
    own = [moid for vm, moid in sorted(vms.items()) if vm.startswith(f"{name}_")]
    assert len(own) == 4
    names = dict(zip(("a", "b", "c", "d"), own, strict=True))
    return Cluster(session, sim, (await moids(session, vim.ClusterComputeResource))[name], names)


async def test_vms_of_one_rule_are_kept_apart_until_one_is_left(cluster: Cluster) -> None:
    rules = Rules(cluster.session, prefix=OURS)
    a, b = cluster.vms["a"], cluster.vms["b"]
    for vm in (a, b, b):
        await rules.join(cluster.moid, Membership(vm=vm, apart=("web",)))
    assert (await cluster.rules()).apart == {WEB: frozenset((a, b))}
    await rules.leave(cluster.moid, [a])
    assert (await cluster.rules()).apart == {}
    await Rules(cluster.session, prefix=OURS).leave(cluster.moid, [b])
    assert (await cluster.rules()).groups == {}


async def test_vms_that_join_at_once_share_a_change(cluster: Cluster) -> None:
    rules = Rules(cluster.session, prefix=OURS)
    before = cluster.changes()
    async with asyncio.TaskGroup() as together:
        for vm in cluster.vms.values():
            together.create_task(rules.join(cluster.moid, Membership(vm=vm, apart=("web",), is_drs_off=True)))
    found = await cluster.rules()
    assert found.apart == {WEB: frozenset(cluster.vms.values())}
    assert found.drs_off == frozenset(cluster.vms.values())
    assert cluster.changes() - before <= 2


async def test_a_vm_that_leaves_takes_its_drs_override_along(cluster: Cluster) -> None:
    a, b = cluster.vms["a"], cluster.vms["b"]
    for vm in (a, b):
        await Rules(cluster.session, prefix=OURS).join(cluster.moid, Membership(vm=vm, is_drs_off=True))
    await Rules(cluster.session, prefix=OURS).leave(cluster.moid, [a])
    assert (await cluster.rules()).drs_off == frozenset((b,))


async def test_one_that_cannot_join_does_not_hinder_the_others(cluster: Cluster) -> None:
    rules = Rules(cluster.session, prefix=OURS)
    wishes = [Membership(vm=vm, apart=("web",)) for vm in cluster.vms.values()]
    wishes[2] = Membership(vm=cluster.vms["c"], host_group=HostGroup(name="nowhere"))
    results = await asyncio.gather(*(rules.join(cluster.moid, one) for one in wishes), return_exceptions=True)
    assert [type(one) for one in results] == [type(None), type(None), InfrastructureFailure, type(None)]
    assert len((await cluster.rules()).apart[WEB]) == 3


async def test_a_cancelled_join_leaves_the_others_to_be_done(cluster: Cluster) -> None:
    rules = Rules(cluster.session, prefix=OURS)
    first = asyncio.create_task(rules.join(cluster.moid, Membership(vm=cluster.vms["a"], apart=("web",))))
    await asyncio.sleep(0)
    others = [
        asyncio.create_task(rules.join(cluster.moid, Membership(vm=cluster.vms[vm], apart=("web",)))) for vm in "bc"
    ]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(*others)
    assert (await cluster.rules()).apart[WEB] >= {cluster.vms["b"], cluster.vms["c"]}


async def test_vms_run_on_the_hosts_of_their_host_group(cluster: Cluster) -> None:
    hosts = await moids(cluster.session, vim.HostSystem)
    info = vim.cluster.HostGroup(name="fast", host=[vim.HostSystem(min(hosts.values()))])
    await cluster.reconfigure(vim.cluster.ConfigSpecEx(groupSpec=[vim.cluster.GroupSpec(operation="add", info=info)]))
    rules, fast = Rules(cluster.session, prefix=OURS), HostGroup(name="fast", is_mandatory=True)
    await rules.join(cluster.moid, Membership(vm=cluster.vms["a"], host_group=fast))
    found = await cluster.rules()
    assert found.hosts[host_rule_name(OURS, fast)].is_mandatory
    await rules.leave(cluster.moid, [cluster.vms["a"]])
    found = await cluster.rules()
    assert (found.hosts, found.groups, found.host_groups) == ({}, {}, {"fast"})


async def test_leaving_asks_nothing_for_vms_that_never_joined(cluster: Cluster) -> None:
    rules = Rules(cluster.session, prefix=OURS)
    await rules.leave(cluster.moid, [cluster.vms["a"]])
    before = cluster.sim.counts()
    await rules.leave(cluster.moid, [cluster.vms["b"]])
    assert cluster.sim.counts() == before


async def test_a_vcenter_that_refuses_says_why(cluster: Cluster) -> None:
    cluster.sim.fail_task("ReconfigureComputeResource_Task", "NoPermission")
    with pytest.raises(Fault, match="rules of cluster"):
        await Rules(cluster.session, prefix=OURS).join(cluster.moid, Membership(vm=cluster.vms["a"], apart=("web",)))


async def test_tags_are_attached_in_one_request_when_known(session: Session, shared: tuple[Vcsim, Any]) -> None:
    colour = await make(session, "category", "colour")
    red, blue = [await make(session, "tag", name, category_id=colour) for name in ("red", "blue")]
    tags, vm, other = Tags(session), *sorted((await moids(session, vim.VirtualMachine)).values())[:2]
    pairs = [("colour", "red"), ("colour", "blue")]
    assert await tags.attach(vm, pairs) == ()
    before = session.requests
    assert await tags.attach(other, pairs) == ()
    assert session.requests - before == 1
    assert await attached(session, other) == sorted((red, blue))


async def test_a_tag_that_is_not_there_is_a_warning_and_asked_for_once_a_minute(session: Session) -> None:
    size = await make(session, "category", "size")
    await make(session, "tag", "large", category_id=size)
    now, (vm, *_) = [0.0], sorted((await moids(session, vim.VirtualMachine)).values())
    tags = Tags(session, now_s=lambda: now[0])
    wanted = [("size", "large"), ("size", "huge"), ("shape", "round")]
    first = await tags.attach(vm, wanted)
    assert [warning.split(",")[0] for warning in first] == [
        'vCenter has no tag "round" in category "shape"',
        'vCenter has no tag "huge" in category "size"',
    ]
    before = session.requests
    assert await tags.attach(vm, wanted) == first
    assert session.requests - before == 1
    huge = await make(session, "tag", "huge", category_id=size)
    now[0] = 61.0
    assert len(await tags.attach(vm, wanted)) == 1
    assert huge in await attached(session, vm)


async def test_custom_attributes_are_defined_once_and_set(session: Session) -> None:
    vm, other, *_ = sorted((await moids(session, vim.VirtualMachine)).values())
    assert await CustomAttributes(session).set(vm, {"deployment": "db", "index": "0"}) == ()
    assert await CustomAttributes(session).set(other, {"deployment": "web"}) == ()
    seen = await session.read("look", vim.VirtualMachine, ("customValue", "availableField"))
    names = {field.key: field.name for field in seen[vm]["availableField"]}
    assert {names[one.key]: one.value for one in seen[vm]["customValue"]} == {"deployment": "db", "index": "0"}
    assert [one.value for one in seen[other]["customValue"]] == ["web"]


async def test_policies_are_known_by_name_and_a_stranger_is_a_problem_that_names_them(session: Session) -> None:
    found, problems = await Policies(session).ids(["vSAN Default Storage Policy", "Gold"])
    assert list(found) == ["vSAN Default Storage Policy"]
    assert [problem.code for problem in problems] == ["vsphere.unknown-storage-policy"]
    assert "vSAN Default Storage Policy" in problems[0].fix


async def test_a_policy_tells_which_of_the_datastores_it_may_be_used_on(session: Session) -> None:
    stores = await moids(session, vim.Datastore)
    asked = [stores["LocalDS_0"]]
    found = await Policies(session).compatible(["vSAN Default Storage Policy"], asked)
    assert found["vSAN Default Storage Policy"] == frozenset(asked)
    assert len(found) > 1, "the others are named, so that a mistake can be told from an omission"


async def make(session: Session, kind: str, name: str, **more: str) -> str:
    spec = {"name": name, "description": "", **more}
    if kind == "category":
        spec |= {"cardinality": "MULTIPLE", "associable_types": []}
    answer = await session.rest("POST", f"{TAGGING}/{kind}", {"create_spec": spec})
    return str(answer["value"])


async def attached(session: Session, vm: str) -> list[str]:
    body = {"object_id": {"id": vm, "type": "VirtualMachine"}}
    answer = await session.rest("POST", f"{TAGGING}/tag-association?~action=list-attached-tags", body)
    return sorted(answer["value"])
