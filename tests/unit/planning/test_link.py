"""link: who provides what to whom, what a link holds, and every failure told at once (3.7)."""

from dataclasses import replace

import pytest

from director.model.cloud import NetworkType
from director.model.deployment import Consumes, Provides
from director.model.problem import Refused
from director.model.release import LinkConsumed, LinkProvided, PropertySpec
from director.planning.link import SharedLink, providers_of
from tests.unit.planning.samples import (
    PRIVATE,
    catalog,
    cloud,
    deployment,
    group,
    instances,
    job,
    job_ref,
    joined,
    network,
    solve,
    subnet,
)

DB = job(
    "db",
    properties={"port": PropertySpec(default=5432), "admin.name": PropertySpec(), "secret": PropertySpec()},
    provides=(LinkProvided(name="conn", type="sql", properties=("port", "admin.name")),),
)
APP = job("app", consumes=(LinkConsumed(name="db", type="sql"),))
MAYBE = job("maybe", consumes=(LinkConsumed(name="db", type="sql", optional=True),))
CACHE = job("cache", provides=(LinkProvided(name="conn", type="kv"),))
SOFTWARE = catalog(DB, APP, MAYBE, CACHE)
STORE = group("store", 2, ["z1", "z2"], jobs=[job_ref("db", properties={"port": 1, "admin": {"name": "((a))"}})])
ELSEWHERE = SharedLink(
    deployment="other",
    group="pg",
    job="postgres",
    name="conn",
    type="sql",
    content={"networks": ["private", "back"], "default_network": "private", "instances": [{"id": "i", "address": "1"}]},
    addresses={"private": {"i": "1"}, "back": {"i": "2"}},
)


def links(*groups, shared=(), clouds=None):
    wanted = solve(deployment(*groups), clouds, software=SOFTWARE, shared_links=shared)
    return {job.job.name: job.links for g in wanted.groups for job in g.instances[0].jobs}


def refused(*groups, shared=()):
    with pytest.raises(Refused) as caught:
        solve(deployment(*groups), software=SOFTWARE, shared_links=shared)
    assert {problem.number for problem in caught.value.problems} == {190016}
    return [problem.detail for problem in caught.value.problems]


def consumer(name="app", **wish):
    consumes = (Consumes(name="db", **wish),) if wish else ()
    return group("front", jobs=[job_ref(name, consumes=consumes)])


def test_the_only_provider_of_the_type_is_found_without_being_named():
    wanted = solve(deployment(STORE, consumer()), software=SOFTWARE)
    content = wanted.groups[1].instances[0].jobs[0].links["db"]
    ids = [i.id for i in instances(wanted, "store")]
    assert content == {
        "deployment_name": "demo",
        "domain": "bosh",
        "default_network": "private",
        "networks": ["private"],
        "instance_group": "store",
        "use_short_dns_addresses": False,
        "use_link_dns_names": False,
        "properties": {"admin": {"name": "((a))"}, "port": 1},
        "instances": [
            {"name": "store", "id": ids[0], "index": 0, "az": "z1", "bootstrap": True, "address": "10.0.1.31"},
            {"name": "store", "id": ids[1], "index": 1, "az": "z2", "bootstrap": False, "address": "10.0.2.31"},
        ],
    }


def test_jobs_of_one_group_may_link_to_each_other():
    both = group("g", jobs=[job_ref("db"), job_ref("app")])
    assert links(both)["app"]["db"]["instance_group"] == "g"


def test_a_provider_is_found_by_the_name_it_gave_itself():
    renamed = replace(STORE, jobs=(replace(STORE.jobs[0], provides=(Provides(name="conn", alias="main"),)),))
    second = group("second", jobs=[job_ref("db")])
    assert links(renamed, second, consumer(source="main"))["app"]["db"]["instance_group"] == "store"


def test_several_providers_are_named_with_job_group_and_deployment():
    said = refused(STORE, group("second", jobs=[job_ref("db")]), consumer())
    assert len(said) == 1
    assert '"conn" of job "db" in group "second" of deployment "demo"' in said[0]
    assert '"conn" of job "db" in group "store" of deployment "demo"' in said[0]


def test_several_providers_are_refused_even_for_an_optional_link():
    assert refused(STORE, group("second", jobs=[job_ref("db")]), consumer("maybe"))


def test_a_provider_said_to_be_nil_is_not_found_by_itself_but_by_name():
    hidden = replace(STORE, jobs=(replace(STORE.jobs[0], provides=(Provides(name="conn", is_nil=True),)),))
    assert refused(hidden, consumer())
    assert links(hidden, consumer(source="conn"))["app"]["db"]["instance_group"] == "store"


def test_an_optional_link_without_provider_is_absent_and_a_required_one_refused():
    assert links(consumer("maybe"))["maybe"] == {}
    assert 'has no provider of type "sql"' in refused(consumer())[0]


def test_nil_means_no_link_though_there_is_a_provider():
    assert links(STORE, consumer("maybe", is_nil=True))["maybe"] == {}


def test_what_was_named_must_be_there_even_for_an_optional_link():
    assert 'is from "gone"' in refused(STORE, consumer("maybe", source="gone"))[0]


def test_a_provider_of_another_type_is_refused_with_both_types():
    said = refused(group("c", jobs=[job_ref("cache")]), consumer(source="conn"))
    assert 'is of type "sql", but "conn" is of type "kv"' in said[0]


def test_a_link_written_by_hand_is_taken_as_it_is():
    manual = {"instances": [{"address": "1.2.3.4"}], "properties": {"port": 1}}
    assert links(STORE, consumer(manual=manual))["app"]["db"] == manual
    assert links(consumer(manual={"instances": []}))["app"]["db"] == {"instances": [], "properties": {}}


@pytest.mark.parametrize(
    "wish", [{"manual": {"instances": []}, "source": "conn"}, {"manual": {"properties": {"a": 1}}}]
)
def test_a_link_by_hand_that_makes_no_sense_is_refused(wish):
    assert refused(STORE, consumer(**wish))


def test_a_link_of_another_deployment_is_taken_when_shared():
    assert links(consumer(source="conn", deployment="other"), shared=[ELSEWHERE])["app"]["db"] == ELSEWHERE.content
    assert 'deployment "other" shares and provides' in refused(consumer(source="conn", deployment="other"))[0]


def test_links_of_other_deployments_are_never_taken_unasked():
    assert refused(consumer(), shared=[ELSEWHERE])


def test_a_consumer_may_ask_for_addresses_on_another_network():
    found = links(consumer(source="conn", deployment="other", network="back"), shared=[ELSEWHERE])["app"]["db"]
    assert (found["default_network"], found["instances"]) == ("back", [{"id": "i", "address": "2"}])
    assert ELSEWHERE.content["instances"] == [{"id": "i", "address": "1"}]
    said = refused(consumer(source="conn", deployment="other", network="no"), shared=[ELSEWHERE])
    assert 'network "no"' in said[0]


def test_local_links_follow_the_network_asked_for_and_the_addressable_one():
    back = network("back", subnet("10.7.0.0/24", "10.7.0.1"))
    nets = [joined("private", default=("dns", "gateway")), joined("back", default=("addressable",))]
    store = replace(STORE, networks=tuple(nets), instances=1)
    clouds = cloud(PRIVATE, back)
    assert links(store, consumer(), clouds=clouds)["app"]["db"]["instances"][0]["address"] == "10.7.0.2"
    asked = links(store, consumer(network="private"), clouds=clouds)["app"]["db"]
    assert asked["instances"][0]["address"] == "10.0.1.31"


def test_on_a_dynamic_network_instances_are_reached_by_name():
    dyn = network("dyn", subnet(None), type=NetworkType.DYNAMIC)
    store = replace(STORE, networks=(joined("dyn"),), instances=1)
    instance = links(store, consumer(), clouds=cloud(PRIVATE, dyn))["app"]["db"]["instances"][0]
    assert instance["address"] == f"{instance['id']}.store.dyn.demo.bosh"


def test_unknown_link_names_are_refused_on_both_sides():
    odd = group(
        "g", jobs=[job_ref("db", provides=(Provides(name="con"),)), job_ref("app", consumes=(Consumes(name="dbs"),))]
    )
    said = refused(odd)
    assert any('does not provide a link "con"' in one for one in said)
    assert any('does not consume a link "dbs"' in one for one in said)


def test_a_link_may_not_expose_an_undeclared_property():
    leaky = job("leaky", provides=(LinkProvided(name="x", type="x", properties=("nope",)),))
    with pytest.raises(Refused, match='exposes property "nope"'):
        solve(deployment(group("g", jobs=[job_ref("leaky")])), software=catalog(leaky))


def test_every_failing_link_is_told_at_once():
    two = group("two", jobs=[job_ref("app", consumes=(Consumes(name="db", source="gone"),))])
    assert len(refused(consumer(), two)) == 2


def test_what_is_shared_can_be_stored_for_others():
    shared = replace(
        STORE, jobs=(replace(STORE.jobs[0], provides=(Provides(name="conn", alias="main", shared=True),)),)
    )
    made = deployment(shared, group("empty", 0, jobs=[job_ref("db", provides=(Provides(name="conn", shared=True),))]))
    wanted = solve(made, software=SOFTWARE)
    (link,) = providers_of(made, wanted)
    assert (link.deployment, link.group, link.job, link.name, link.type) == ("demo", "store", "db", "main", "sql")
    first = instances(wanted, "store")[0]
    assert link.content["instances"][0]["address"] == link.addresses["private"][first.id] == "10.0.1.31"
    assert providers_of(deployment(STORE), solve(deployment(STORE), software=SOFTWARE)) == ()
