"""The front door: texts to a Deployment and its CloudConfig, or every problem."""

import pytest

from director.manifest.load import check_cloud_text, check_runtime_text, load_cloud
from director.model.cloud import NetworkType, Span
from director.model.deployment import Count, Lifecycle, Watch
from director.model.problem import Refused, Severity
from tests.unit.manifest.manifest_samples import CLOUD, MANIFEST, load

RUNTIME = """\
releases: [{name: os-conf, version: "22.1"}]
addons:
- name: users
  jobs: [{name: user_add, release: os-conf}]
  include: {lifecycle: service}
tags: {team: ops, env: prod}
variables: [{name: user_pw, type: password}]
"""


def refusal(manifest, **how):
    with pytest.raises(Refused) as refused:
        load(manifest, **how)
    return refused.value.problems


def codes(problems):
    return [problem.code for problem in problems]


def test_a_good_manifest_becomes_a_deployment():
    loaded = load()
    store, front = loaded.deployment.groups
    assert loaded.warnings == ()
    assert loaded.deployment.name == "demo"
    assert (store.name, store.instances, store.azs, store.persistent_disk_type) == ("store", 3, ("z1", "z2"), "ten")
    assert store.networks[0].static_ips == ("10.0.1.10", "10.0.1.11", "10.0.2.10")
    assert store.networks[0].default == ("dns", "gateway")
    assert store.jobs[0].properties == {"admin": {"password": "((admin_pw))"}}
    assert (store.jobs[0].provides[0].alias, store.jobs[0].provides[0].shared) == ("main-db", True)
    assert front.jobs[0].properties is None
    assert front.jobs[0].consumes[0].source == "main-db"
    assert front.lifecycle is Lifecycle.SERVICE


def test_a_group_inherits_every_update_rule_it_does_not_set():
    store, front = load().deployment.groups
    assert (store.update.max_in_flight, store.update.serial) == (Count(percent=50), True)
    assert (front.update.max_in_flight, front.update.serial) == (Count(number=2), False)
    assert front.update.canary_watch == Watch(min_ms=1000, max_ms=60000)
    assert front.update.update_watch == Watch(min_ms=2000, max_ms=2000)


def test_a_good_cloud_config_becomes_a_cloud():
    cloud = load().clouds
    private, dyn = cloud.networks
    assert private.subnets[0].static == (Span(first=0x0A00010A, last=0x0A00011E),)
    assert private.subnets[1].azs == ("z2",)
    assert (dyn.type, len(dyn.subnets)) == (NetworkType.DYNAMIC, 1)
    assert (cloud.compilation.workers, cloud.compilation.vm_type) == (2, "small")
    assert cloud.disk_types[0].size_mb == 10240


def test_latest_becomes_the_exact_version():
    loaded = load(MANIFEST.replace('"3.1"', "3.latest").replace('"1.200"', "latest"))
    assert loaded.deployment.releases[0].version == "3.1"
    assert loaded.deployment.stemcells[0].version == "1.200"


def test_the_empty_list_of_groups_is_a_wish_the_missing_one_a_mistake():
    head = MANIFEST[: MANIFEST.index("instance_groups:")]
    assert load(head + "instance_groups: []\n").deployment.groups == ()
    (problem,) = refusal(head)
    assert problem.fix.startswith("write instance_groups: [] to delete every group")


def test_mistakes_of_all_texts_and_kinds_are_told_at_once():
    manifest = (
        MANIFEST.replace("max_in_flight: 50%", "max_in_flight: 150%")
        .replace("instances: 4", "instances: -1")
        .replace("vm_type: small\n  persistent", "vm_type: smal\n  persistent")
        .replace("name: app", "name: apq")
    )
    cloud = CLOUD.replace("gateway: 10.0.2.1", "gateway: 10.9.2.1")
    runtime = RUNTIME.replace('"22.1"', "latest")
    found = refusal(manifest, cloud=[("default", cloud)], runtime=[("base", runtime)])
    assert [(problem.code, problem.mark.file) for problem in found] == [
        ("cloud.bad-gateway", "cloud-config/default"),
        ("manifest.impossible-count", "m.yml"),
        ("manifest.unknown-vm-type", "m.yml"),
        ("manifest.below-minimum", "m.yml"),
        ("manifest.unknown-job", "m.yml"),
        ("runtime.latest-release", "runtime-config/base"),
    ]


def test_an_unreadable_config_does_not_hide_the_manifests_mistakes():
    found = refusal(MANIFEST.replace("canaries: 1", "canaries: x"), cloud=[("default", "a: [1")])
    assert codes(found) == ["yaml.syntax", "manifest.invalid-value"]


def test_an_unreadable_manifest_does_not_hide_the_configs_mistakes():
    found = refusal("a: [1", cloud=[("default", CLOUD.replace("workers: 2", "workers: 0"))])
    assert codes(found) == ["manifest.below-minimum", "yaml.syntax"]


def test_without_a_cloud_config_only_that_is_told():
    (problem,) = refusal(MANIFEST, cloud=[])
    assert problem.code == "cloud.none"
    assert "director update-cloud-config" in problem.fix


def test_unknown_keys_are_warnings_and_errors_when_strict():
    text = MANIFEST.replace("  instances: 4", "  colour: red\n  instances: 4")
    (warning,) = load(text).warnings
    assert warning.code == "manifest.unknown-key"
    assert "colour" in warning.detail
    assert codes(refusal(text, strict=True)) == ["manifest.unknown-key"]


@pytest.mark.parametrize("key", ["instance-groups", "instance_group", "instanceGroups", "instance_grops"])
def test_a_near_miss_of_instance_groups_is_an_error_that_names_it(key):
    (problem,) = refusal(MANIFEST.replace("instance_groups", key))
    assert problem.code == "manifest.unknown-key"
    assert problem.fix == 'did you mean "instance_groups"?'


def test_offending_values_are_shown_but_never_secrets():
    text = MANIFEST.replace(
        "properties:\n      admin: {password: ((admin_pw))}",
        "properties: TOPSECRET\n    env: {bosh: {password: TOPSECRET}}",
    ).replace("type: password}", "type: certificate, options: {key_length: TOPSECRET, ca: x}}")
    found = refusal(text)
    assert "manifest.wrong-type" in codes(found)
    assert "variables.invalid" in codes(found)
    assert not [problem for problem in found if "TOPSECRET" in str(problem)]


def test_a_problem_does_not_dump_what_encloses_it():
    (problem,) = refusal(MANIFEST.replace("  vm_type: small\n  networks", "  env: {pw: TOPSECRET}\n  networks"))
    assert problem.code == "manifest.vm-type-or-resources"
    assert "TOPSECRET" not in str(problem)


def test_a_placeholder_that_must_be_known_is_told_only_as_such():
    text = MANIFEST.replace("instances: 4", "instances: ((n))").replace("vm_type: small", "vm_type: ((!type))")
    found = refusal(text)
    assert set(codes(found)) == {"manifest.unfilled-placeholder"}
    assert "-v n=VALUE" in next(problem.fix for problem in found if "((n))" in problem.detail)


def test_placeholders_of_content_stay():
    text = MANIFEST.replace("  instances: 4", "  env: {bosh: {password: ((pw))}}\n  tags: {a: ((t))}\n  instances: 4")
    front = load(text).deployment.groups[1]
    assert front.env == {"bosh": {"password": "((pw))"}}
    assert front.tags == {"a": "((t))"}


def test_the_words_of_a_message_name_what_is_meant():
    (problem,) = refusal(MANIFEST.replace("instances: 4", "instances: four"))
    assert problem.detail == 'instance_groups/front/instances must be a whole number of 0 or more, but is "four".'
    assert problem.summary == "Wrong type"
    assert problem.number == 40000
    assert (problem.mark.file, problem.mark.line) == (
        "m.yml",
        1 + MANIFEST[: MANIFEST.index("instances: 4")].count("\n"),
    )


@pytest.mark.parametrize(
    ("old", "new", "number"),
    [
        ("  instances: 4", "  lifecycle: x\n  instances: 4", 140011),
        ("stemcell: default", "stemcell: nope", 140005),
        ("azs: [z1, z2]", "azs: []", 140017),
        ("vm_type: small", "vm_type: smal", 140004),
        ("release: web\n    consumes", "release: wep\n    consumes", 140002),
        ("canary_watch_time: 1000-60000", "canary_watch_time: 9-1", 180001),
        ("type: password", "type: psswd", 560000),
        ("static_ips: [10.0.1.10-10.0.1.11, 10.0.2.10]", "static_ips: [10.0.1.10]", 150002),
        ("static_ips: [10.0.1.10-10.0.1.11, 10.0.2.10]", "static_ips: 5", 150009),
        ("releases:", "networks: []\nreleases:", 140026),
    ],
)
def test_numbers_of_bosh_are_kept(old, new, number):
    found = refusal(MANIFEST.replace(old, new))
    assert {problem.number for problem in found} == {number}, [str(problem) for problem in found]


def test_several_cloud_configs_are_one():
    base = CLOUD[: CLOUD.index("disk_types:")]
    rest = CLOUD[CLOUD.index("disk_types:") :]
    loaded = load(cloud=[("base", base), ("rest", rest)])
    assert [az.name for az in loaded.clouds.azs] == ["z1", "z2"]
    assert loaded.clouds.disk_types[0].name == "ten"


def test_a_second_compilation_and_a_second_zone_of_one_name_are_told_in_the_second_config():
    more = "azs: [{name: z1}]\ncompilation: {workers: 1, network: private, az: z1}\n"
    found = refusal(MANIFEST, cloud=[("a", CLOUD), ("b", more)])
    assert [(problem.code, problem.mark.file) for problem in found] == [
        ("cloud.duplicate-az", "cloud-config/b"),
        ("cloud.compilation-twice", "cloud-config/b"),
    ]


def test_a_config_uploaded_before_its_neighbours_is_only_warned_of():
    networks = CLOUD[CLOUD.index("networks:") :]
    problems = check_cloud_text(networks, "networks.yml")
    assert {problem.severity for problem in problems} == {Severity.WARNING}
    assert load_cloud(networks, "networks.yml").networks[0].name == "private"
    others = [("base", CLOUD[: CLOUD.index("networks:")])]
    assert check_cloud_text(networks, "networks.yml", others=others) == ()
    wrong = networks.replace("az: z2", "az: z9")
    assert codes(check_cloud_text(wrong, "networks.yml", others=others)) == ["cloud.subnet-unknown-az"]
    with pytest.raises(Refused):
        load_cloud(wrong, "networks.yml", others=others)


def test_an_unreadable_cloud_config_is_refused_at_upload():
    with pytest.raises(Refused):
        load_cloud("- 1", "c.yml")
    assert codes(check_cloud_text("{}", "c.yml"))[0] == "cloud.empty"


def test_deploy_needs_what_upload_only_warns_of():
    found = refusal(MANIFEST, cloud=[("default", CLOUD[: CLOUD.index("compilation:")])])
    assert codes(found) == ["cloud.missing-section"]


def test_a_runtime_config_adds_jobs_tags_variables_and_its_release():
    deployment = load(MANIFEST + "tags: {team: web}\n", runtime=[("base", RUNTIME)]).deployment
    assert [job.name for group in deployment.groups for job in group.jobs] == ["db", "user_add", "app", "user_add"]
    assert [(release.name, release.version) for release in deployment.releases] == [("web", "3.1"), ("os-conf", "22.1")]
    assert deployment.tags == {"team": "web", "env": "prod"}
    assert [variable.name for variable in deployment.variables] == ["admin_pw", "user_pw"]
    assert deployment.addons == ()


def test_a_runtime_release_joins_only_when_its_addon_applies():
    runtime = RUNTIME.replace("lifecycle: service", "deployments: [other]")
    deployment = load(runtime=[("base", runtime)]).deployment
    assert [release.name for release in deployment.releases] == ["web"]


def test_a_release_in_two_versions_is_refused():
    text = MANIFEST.replace("stemcells:", '- {name: os-conf, version: "22"}\nstemcells:')
    assert codes(refusal(text, runtime=[("base", RUNTIME)])) == ["runtime.release-version"]


def test_two_runtime_configs_are_checked_together():
    found = refusal(MANIFEST, runtime=[("a", RUNTIME), ("b", RUNTIME.replace("users", "more"))])
    assert {"runtime.tags-twice", "variables.duplicate"} <= set(codes(found))
    assert codes(check_runtime_text("tags: {a: b}", "b.yml", others=[("a", RUNTIME)])) == ["runtime.tags-twice"]


def test_jobs_of_different_releases_with_different_packages_of_one_name_collide():
    runtime = RUNTIME.replace('"22.1"', '"22"')
    assert set(codes(refusal(MANIFEST, runtime=[("base", runtime)]))) == {"manifest.package-collision"}


def test_a_property_nobody_declares_points_at_its_key():
    text = MANIFEST.replace(
        "    consumes:", "    properties:\n      tls:\n        cret: x\n      prot: 1\n    consumes:"
    )
    first, second = load(text).warnings
    assert (first.detail.split('"')[3], first.mark.line) == ("tls.cret", 41)
    assert 'did you mean "tls.cert"' in first.fix
    assert (second.mark.line, 'did you mean "port"' in second.fix) == (42, True)


@pytest.mark.parametrize("features,mode", [("", "no-overwrite"), ("features: {converge_variables: true}", "converge")])
def test_variables_converge_when_the_manifest_says_so_for_all(features, mode):
    deployment = load(f"{MANIFEST}\n{features}\n").deployment
    assert {variable.update_mode for variable in deployment.variables} == {mode}
