"""Instances in server pools and groups: when they are announced, withdrawn and attached, by whole plans."""

from dataclasses import replace

import pytest

from director.model.fabric import NOT_ATTACHED, Attachment, FabricSighting, Member, Ref, SeenMember
from director.model.names import ObjectId
from director.model.record import Record
from director.model.wanted import Want
from director.planning import attach
from director.planning.diff import Forced
from director.planning.inputs import Asked
from director.planning.make import make_deletion, make_plan
from tests.support.planning import compiled, deployed, inputs, seen_all, wish

MANIFEST = """
name: demo
releases: [{name: sample, version: "1"}]
stemcells: [{alias: default, os: local, version: "1"}]
update: {canaries: 1, max_in_flight: 2, canary_watch_time: 100-5000, update_watch_time: 100-5000}
instance_groups:
- name: app
  instances: 1
  azs: [z1]
  stemcell: default
  vm_type: small
  networks: [{name: private}]
  jobs: [{name: db, release: sample}]
"""
CLOUD = """
azs: [{name: z1}]
vm_types: [{name: small, cloud_properties: {ram: 64}}]
networks:
- name: private
  subnets: [{range: 10.0.1.0/24, gateway: 10.0.1.1, az: z1}]
compilation: {workers: 1, az: z1, network: private, vm_type: small, reuse_compilation_vms: true}
"""
WEB = Member(pool=Ref(to="pool-web"), label="app-0", ip="10.0.1.2", port=80)
API = Member(pool=Ref(to="pool-api"), label="app-0", ip="10.0.1.2", port=81)
WELL = Forced()
GROUPED = Attachment(groups=("ops",), tags=(("env", "prod"),))


class World:
    """One instance that runs; ``had`` is what it is recorded with, ``wants`` what it should have."""

    def __init__(self, *, had=(), wants=(), attachment=NOT_ATTACHED, had_attachment=NOT_ATTACHED, state=Want.STARTED):
        wanted, self.clouds = wish(MANIFEST, CLOUD, seed="before")
        group = wanted.groups[0]
        instance = replace(
            group.instances[0],
            members=wants,
            attachment=attachment,
            segments=(ObjectId("segment"),),
            is_new=False,
            want=state,
        )
        self.wanted = replace(wanted, groups=(replace(group, instances=(instance,)),))
        record = deployed(wanted)
        kept = replace(record.instances[0], members=had, attachment=had_attachment)
        self.record = replace(record, instances=(kept,))
        self.seen = seen_all(self.record)
        self.catalog = compiled(wanted)

    def plan(self, *, shows=None, forced=WELL, gone=()):
        seen = seen_all(self.record, gone=gone)
        if shows is not None:
            seen = replace(seen, fabrics={"": FabricSighting(members=tuple(map(_seen, shows)))})
        record = replace(self.record)
        asked = Asked(forced={record.instances[0].id: forced})
        return make_plan(
            inputs(
                self.wanted,
                self.clouds,
                record,
                seen,
                catalog=self.catalog,
                asked=asked,
                fabrics=frozenset({""}),
            )
        )


def _seen(member):
    return SeenMember(pool=member.pool.to, label=member.label, ip=member.ip, port=member.port)


def verbs(plan):
    return [step.key.partition(":")[2] for step in plan.steps if step.subject == "app/0"]


def test_an_instance_that_is_announced_and_shown_is_left_alone():
    assert World(had=(WEB,), wants=(WEB,)).plan(shows=[WEB]).is_settled


def test_a_pool_is_joined_and_another_left_without_stopping_anything():
    plan = World(had=(WEB,), wants=(API,)).plan()
    assert verbs(plan) == ["record", "withdraw", "announce", "settle"]
    assert plan.changes[0].reasons == ("joins server pool pool-api", "leaves server pool pool-web")


def test_one_that_somebody_took_out_of_its_pool_goes_back():
    plan = World(had=(WEB,), wants=(WEB,)).plan(shows=[])
    assert "announce" in verbs(plan)
    assert plan.changes[0].reasons == ("was taken out of server pool pool-web",)


def test_new_groups_need_no_restart():
    assert verbs(World(attachment=GROUPED).plan()) == ["record", "attach-ports", "settle"]


def test_it_is_withdrawn_before_it_stops_and_announced_once_it_runs():
    order = verbs(World(had=(WEB,), wants=(WEB,)).plan(forced=Forced(restart=True)))
    assert order.index("withdraw") < order.index("pre-stop") < order.index("stop")
    assert order.index("await-running") < order.index("announce") < order.index("settle")


def test_a_new_vm_has_its_ports_before_its_agent_is_awaited():
    order = verbs(World(had=(WEB,), wants=(WEB,), attachment=GROUPED).plan(forced=Forced(recreate=True)))
    assert order.index("create-vm") < order.index("attach-ports") < order.index("await-agent")


def test_a_dead_vms_members_are_withdrawn_before_another_is_made():
    order = verbs(World(had=(WEB,), wants=(WEB,)).plan(gone=["app/0"]))
    assert order.index("withdraw") < order.index("create-vm")


def test_a_stopped_instance_serves_nobody():
    plan = World(had=(WEB,), wants=(WEB,), state=Want.STOPPED).plan()
    assert "announce" not in verbs(plan)
    settled = plan.steps[[s.key for s in plan.steps].index("app/0:settle")].step.record
    assert settled.members == ()


def test_what_a_deleted_instance_was_in_it_leaves():
    world = World(had=(WEB,), had_attachment=GROUPED)
    gone = inputs(
        replace(world.wanted, groups=()),
        world.clouds,
        world.record,
        world.seen,
        catalog=world.catalog,
        fabrics=frozenset({""}),
    )
    order = verbs(make_deletion(gone, is_forced=False))
    assert order.index("withdraw") < order.index("stop") < order.index("delete-vm-1") < order.index("detach-ports-1")


def test_while_it_changes_both_pools_are_recorded():
    plan = World(had=(WEB,), wants=(API,)).plan()
    recorded = next(step.step.record for step in plan.steps if step.key == "app/0:record")
    assert recorded.members == (WEB, API)


@pytest.mark.parametrize(("fabrics", "left"), [({"east"}, {"ram": 64}), (set(), {"ram": 64, "nsxt": {}})])
def test_only_where_a_fabric_is_ours_its_properties_are_no_part_of_a_vm(fabrics, left):
    assert attach.vm_properties({"ram": 64, "nsxt": {}}, "east", frozenset(fabrics)) == left


def test_without_a_fabric_nothing_is_attached():
    world = World(wants=())
    plan = make_plan(
        inputs(world.wanted, world.clouds, Record(deployment=world.record.deployment), seen_all(world.record))
    )
    assert "attach-ports" not in verbs(plan)
