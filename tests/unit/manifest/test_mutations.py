"""Whatever stands in place of any part of a good text, the answer is a value or Refused, never a crash."""

import copy

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from director.manifest.load import check_cloud_text, check_network_text, check_runtime_text, load_cloud, load_networks
from director.model.problem import Refused
from tests.unit.manifest.fabric_samples import CLOUD as MANAGED
from tests.unit.manifest.fabric_samples import NETWORKS
from tests.unit.manifest.manifest_samples import CLOUD, MANIFEST, load

RUNTIME = """\
releases: [{name: os-conf, version: "22.1"}]
addons: [{name: users, jobs: [{name: user_add, release: os-conf}], include: {jobs: [{name: a, release: b}], azs: [z1]}}]
tags: {team: ops}
variables: [{name: v, type: certificate, options: {is_ca: true}}]
"""
MORE = """\
addons: [{name: x, jobs: [{name: user_add, release: web}], exclude: {stemcell: [{os: x}], lifecycle: errand}}]
features: {use_link_dns_names: true}
tags: {a: b}
"""
ODD = st.sampled_from(
    [None, True, 0, -1, 10**18, 1.5, "", "x", "nil", "((x))", "a b", "10.0.0.0/8", "10.0.1.20-10.0.1.10", "::1", "::/0",
     "50%", "1-2", "latest", "name", [], ["x"], [None], [[]], [{}], {}, {"name": "x"}, {"name": []}, {"x": {"y": []}}]
)  # fmt: skip


def paths(node, path=()):
    yield path
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield from paths(value, (*path, key))


def mutated(draw, text):
    tree = yaml.safe_load(text)
    for _ in range(draw(st.integers(1, 3))):
        found = [path for path in paths(tree) if path]
        if not found:
            break
        *above, last = draw(st.sampled_from(found))
        node = tree
        for key in above:
            node = node[key]
        if draw(st.booleans()):
            node[last] = copy.deepcopy(draw(ODD))
        else:
            del node[last]
    return yaml.safe_dump(tree, sort_keys=False)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_mutated_manifest_is_loaded_or_refused(data):
    text = mutated(data.draw, MANIFEST + MORE)
    try:
        loaded = load(text, runtime=[("r", RUNTIME)])
    except Refused as refused:
        loaded = refused
    assert loaded.warnings is not None if not isinstance(loaded, Refused) else loaded.problems


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_mutated_configs_are_loaded_or_refused(data):
    cloud, runtime = mutated(data.draw, CLOUD), mutated(data.draw, RUNTIME)
    told = (*check_cloud_text(cloud, "c.yml"), *check_runtime_text(runtime, "r.yml"))
    assert all(problem.fix and problem.mark for problem in told)
    try:
        load(cloud=[("c", cloud)], runtime=[("r", runtime)])
    except Refused as refused:
        told = refused.problems
    assert all(problem.fix and problem.mark for problem in told)


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_mutated_networks_are_loaded_or_refused(data):
    cloud, networks = mutated(data.draw, MANAGED), mutated(data.draw, NETWORKS)
    told = (*check_cloud_text(cloud, "c.yml"), *check_network_text(networks, "n.yml"))
    assert all(problem.fix and problem.mark for problem in told)
    for load_it in (lambda: load_cloud(cloud, "c.yml"), lambda: load_networks([("n", networks)])):
        told = ()
        try:
            load_it()
        except Refused as refused:
            told = refused.problems
        assert all(problem.fix and problem.mark for problem in told)
