"""Whatever is asked for, in whatever order: nobody shares an address, nothing moves without need, it comes to rest."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from director.model.problem import Refused
from director.model.release import LinkConsumed, LinkProvided, PropertySpec
from director.planning.address import is_restricted, is_static
from tests.unit.planning.samples import (
    catalog,
    cloud,
    deployment,
    group,
    instances,
    job,
    job_ref,
    joined,
    network,
    number,
    package,
    recorded,
    solve,
    subnet,
)

DB = job(
    "db",
    properties={"a.b": PropertySpec(default=1), "a.c": PropertySpec(), "d": PropertySpec(default=[2])},
    provides=(LinkProvided(name="conn", type="sql", properties=("a.b", "d")),),
    packages=("top",),
)
APP = job("app", consumes=(LinkConsumed(name="conn", type="sql", optional=True),))
SOFTWARE = catalog(DB, APP, packages=(package("top", "base"), package("base")))
ZONES = ("z1", "z2", "z3")
NETWORK = network(
    "private",
    subnet("10.0.1.0/27", "10.0.1.1", azs=["z1"], reserved=["10.0.1.30"], static=["10.0.1.10-10.0.1.15"]),
    subnet("10.0.2.0/27", "10.0.2.30", azs=["z2", "z3"], static=["10.0.2.5-10.0.2.12"]),
    subnet("10.0.3.0/27", "10.0.3.1", azs=["z3"], reserved=["10.0.3.0-10.0.3.4"], static=["10.0.3.20-10.0.3.25"]),
)
CLOUD = cloud(NETWORK)
ROOM = {
    "z1": [f"10.0.1.{n}" for n in range(10, 16)],
    "z2": [f"10.0.2.{n}" for n in range(5, 13)],
    "z3": [f"10.0.3.{n}" for n in range(20, 26)],
}


@st.composite
def groups(draw, name, statics):
    azs = draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True))
    count = draw(st.integers(0, 5))
    ips = [ip for az in azs for ip in ROOM[az] if ip in statics]
    is_static = len(ips) >= count > 0 and draw(st.booleans())
    chosen = draw(st.permutations(ips))[:count] if is_static else ()
    return group(
        name,
        count,
        azs,
        networks=[joined(static_ips=tuple(chosen))],
        persistent_disk_mb=draw(st.sampled_from([0, 10])),
        jobs=[job_ref(draw(st.sampled_from(["db", "app"])))],
    )


@st.composite
def deployments(draw):
    """Up to three groups; static addresses of each come from its own share, so that no two ask for one."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True))
    shares = {"a": range(3), "b": range(3, 5), "c": range(5, 6)}
    return deployment(
        *(draw(groups(name, {ips[n] for ips in ROOM.values() for n in shares[name] if n < len(ips)})) for name in names)
    )


TAKEN = st.sets(st.integers(1, 29)).map(lambda hosts: {f"10.0.{1 + n % 3}.{n}": "other" for n in hosts if n > 26})


def try_solve(wanted, record=None, taken=None):
    """None where what was asked for cannot be: two db groups make the optional link ambiguous."""
    try:
        return solve(wanted, CLOUD, record, SOFTWARE, taken=taken or {})
    except Refused as refused:
        if {problem.number for problem in refused.problems} <= {190016, 130008}:
            return None
        raise


def settled(wanted):
    """``wanted`` as it looks once nothing in it is new."""
    some = [replace(g, instances=tuple(replace(i, is_new=False) for i in g.instances)) for g in wanted.groups]
    return replace(wanted, groups=tuple(some))


@settings(deadline=None)
@given(deployments(), TAKEN)
def test_what_was_deployed_is_wanted_again(wanted, taken):
    first = try_solve(wanted, taken=taken)
    if first is not None:
        assert solve(wanted, CLOUD, recorded(first), SOFTWARE, taken=taken) == settled(first)


@settings(deadline=None)
@given(deployments(), deployments(), TAKEN, st.booleans())
def test_after_any_change_the_next_pass_changes_nothing(before, after, taken, keeps_obsolete):
    start = try_solve(before, taken=taken)
    record = recorded(start) if start else None
    changed = try_solve(after, record, taken)
    if changed is not None:
        again = solve(after, CLOUD, recorded(changed, record, keeps_obsolete=keeps_obsolete), SOFTWARE, taken=taken)
        assert again == settled(changed)


@settings(deadline=None)
@given(deployments(), deployments(), TAKEN)
def test_no_two_instances_share_an_address_an_identity_or_a_label(before, after, taken):
    start = try_solve(before, taken=taken)
    wanted = try_solve(after, recorded(start) if start else None, taken)
    if wanted is not None:
        some = instances(wanted)
        ips = [address.ip for instance in some for address in instance.addresses]
        assert None not in ips
        assert not set(ips) & set(taken)
        assert len(ips) == len(set(ips)) == len({i.id for i in some}) == len({i.label for i in some})


@settings(deadline=None)
@given(deployments(), deployments())
def test_every_address_lies_in_a_subnet_of_its_zone_and_may_be_given(before, after):
    start = try_solve(before)
    wanted = try_solve(after, recorded(start) if start else None)
    for instance in instances(wanted) if wanted else ():
        (address,) = instance.addresses
        home = next(s for s in NETWORK.subnets if ip_address(address.ip) in ip_network(s.range))
        assert instance.az in home.azs
        assert not is_restricted(home, number(address.ip))
        assert is_static(home, number(address.ip)) is address.is_static


@settings(deadline=None)
@given(deployments(), deployments())
def test_each_group_has_its_number_of_instances_its_zones_and_one_bootstrap(before, after):
    start = try_solve(before)
    wanted = try_solve(after, recorded(start) if start else None)
    for asked, got in zip(after.groups, wanted.groups, strict=True) if wanted else ():
        assert len(got.instances) == asked.instances
        assert {i.az for i in got.instances} <= set(asked.azs)
        assert sum(i.is_bootstrap for i in got.instances) == bool(got.instances)
        assert [i.index for i in got.instances] == sorted(i.index for i in got.instances)


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True))
def test_scaling_keeps_the_lowest_indexes_and_moves_nobody(first, second, azs):
    before = solve(deployment(group("g", first, azs)))
    after = solve(deployment(group("g", second, azs)), record=recorded(before))
    kept = {i.index: (i.id, i.az, i.addresses) for i in instances(before)}
    now = {i.index: (i.id, i.az, i.addresses) for i in instances(after)}
    assert sorted(now) == list(range(second))
    assert all(now[index] == kept[index] for index in range(min(first, second)))


@settings(deadline=None)
@given(deployments(), st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_maps_does_not_matter(wanted, keys):
    values = {"a": {"c": 3, "b": 2}, "b": 1, "c": 2, "d": None}
    shuffled = {key: values[key] for key in keys}
    turned = {"a": dict(reversed(values["a"].items())), **{key: values[key] for key in sorted(values) if key != "a"}}
    one, other = (
        replace(wanted, groups=tuple(replace(g, properties=p, env=p) for g in wanted.groups))
        for p in (shuffled, turned)
    )
    first, second = try_solve(one), try_solve(other)
    assert first == second
    if first is not None:
        jobs = [[job.properties for i in instances(w) for job in i.jobs] for w in (first, second)]
        assert repr(jobs[0]) == repr(jobs[1])


@settings(deadline=None)
@given(st.permutations([f"10.0.1.{n}" for n in range(40, 60)]))
def test_the_order_of_taken_addresses_and_of_records_does_not_matter(ips):
    wanted = deployment(group("a", 5, ZONES), group("b", 4, ZONES))
    record = recorded(solve(wanted))
    shuffled = replace(record, instances=tuple(sorted(record.instances, key=lambda i: ips[i.index] + i.group)))
    fewer = deployment(group("b", 6, ZONES), group("a", 2, ZONES))
    taken = dict.fromkeys(ips, "other")
    sorted_taken = dict(sorted(taken.items()))
    assert solve(fewer, record=record, taken=sorted_taken) == solve(fewer, record=shuffled, taken=taken)


def test_ten_thousand_instances_are_resolved_and_stay_where_they_are():
    big = cloud(network("private", *(subnet(f"10.{z}.0.0/16", f"10.{z}.0.1", azs=[f"z{z}"]) for z in (1, 2, 3))))
    asked = deployment(*(group(f"g{n}", 100, ZONES) for n in range(100)))
    wanted = solve(asked, big)
    assert len({i.addresses[0].ip for i in instances(wanted)}) == 10_000
    assert solve(asked, big, recorded(wanted)) == settled(wanted)
