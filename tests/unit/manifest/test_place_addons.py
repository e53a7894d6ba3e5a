"""Which groups an addon reaches (bosh-director.md 1.12)."""

import pytest

from director.manifest.build import build_deployment
from director.manifest.place_addons import apply_runtime, place_addons
from director.manifest.read import read
from director.model.problem import Refused
from tests.unit.manifest.manifest_samples import MANIFEST

GROUPS = MANIFEST.replace(
    "variables:",
    """\
- name: check
  lifecycle: errand
  instances: 1
  azs: [z1]
  stemcell: default
  vm_type: small
  networks: [{name: dyn}]
  jobs: [{name: smoke, release: web}]
variables:""",
)
ALL = {"store", "front", "check"}


def reached(filters, *, teams=()):
    deployment = build_deployment(read(GROUPS, "m.yml"))
    runtime = read(f"addons: [{{name: x, jobs: [{{name: extra, release: web}}], {filters}}}]", "r.yml")
    placed = place_addons(apply_runtime(deployment, [runtime], teams=teams), teams=teams)
    return {group.name for group in placed.groups if "extra" in [job.name for job in group.jobs]}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("", ALL),
        ("include: {}", ALL),
        ("exclude: {}", ALL),
        ("include: {instance_groups: [front]}", {"front"}),
        ("include: {instance_groups: [front, store]}", {"front", "store"}),
        ("include: {jobs: [{name: db, release: web}]}", {"store"}),
        ("include: {jobs: [{name: db, release: other}]}", set()),
        ("include: {jobs: [{name: db, release: web}], instance_groups: [front]}", set()),
        ("include: {deployments: [demo]}", ALL),
        ("include: {deployments: [other]}", set()),
        ("include: {stemcell: [{os: ubuntu-jammy}]}", ALL),
        ("include: {stemcell: [{os: windows}]}", set()),
        ("include: {networks: [dyn]}", {"check"}),
        ("include: {azs: [z2]}", {"store", "front"}),
        ("include: {lifecycle: errand}", {"check"}),
        ("include: {lifecycle: service, instance_groups: [check]}", set()),
        ("exclude: {instance_groups: [front]}", {"store", "check"}),
        ("exclude: {lifecycle: errand}", {"store", "front"}),
        ("exclude: {azs: [z2], instance_groups: [front]}", {"store", "check"}),
        ("include: {lifecycle: service}, exclude: {jobs: [{name: db, release: web}]}", {"front"}),
        ("include: {teams: [ops]}", set()),
    ],
)
def test_filters_choose_groups(filters, names):
    assert reached(filters) == names


def test_a_filter_by_team_asks_for_one_of_the_deployments_teams():
    assert reached("include: {teams: [ops, dev]}", teams=["dev"]) == ALL
    assert reached("exclude: {teams: [ops]}", teams=["ops"]) == set()


def test_inside_a_deployment_teams_are_ignored():
    addon = "addons: [{name: x, jobs: [{name: extra, release: web}], include: {teams: [ops]}}]\n"
    placed = place_addons(build_deployment(read(MANIFEST + addon, "m.yml")))
    assert [group.jobs[-1].name for group in placed.groups] == ["extra", "extra"]


def test_addon_jobs_come_last_and_only_once():
    addon = "addons: [{name: x, properties: {a: 1}, jobs: [{name: one, release: web}, {name: two, release: web}]}]\n"
    placed = place_addons(build_deployment(read(MANIFEST + addon, "m.yml")))
    assert [job.name for job in placed.groups[0].jobs] == ["db", "one", "two"]
    assert placed.groups[0].jobs[1].properties == {"a": 1}
    assert place_addons(placed) == placed


def test_a_job_that_is_there_already_is_refused_with_its_place():
    addon = "addons: [{name: x, jobs: [{name: app, release: web}]}]\n"
    with pytest.raises(Refused) as refused:
        place_addons(build_deployment(read(MANIFEST + addon, "m.yml")))
    (problem,) = refused.value.problems
    assert (problem.code, problem.mark.line) == ("addon.job-already-placed", MANIFEST.count("\n") + 1)
