"""What deploys of manifests/kubernetes.yml would do: alone, with each ops file, with the next version, with a VM gone.

``pytest tests/golden --accept`` rewrites kubernetes/*.txt; review the diff.
"""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from director.model.record import DeploymentRecord, Record
from director.model.release import Catalog
from director.model.sighting import Sighting
from director.planning.explain import explain
from director.planning.make import make_plan
from tests.support.kubernetes import VSPHERE, Ground, manifest
from tests.support.planning import compiled, deployed, inputs, seen_all

AGREED = Path(__file__).parent / "kubernetes"


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` and ``after`` are ops files and variables; without ``before`` nothing was there."""

    after: tuple[str, ...] = ()
    before: tuple[str, ...] | None = ()
    gone: tuple[str, ...] = ()


NEXT = ("version", "kubernetes_version=1.35.4", "kubernetes_release=/elsewhere")
CASES = {
    "first-deploy": Case(before=None),
    "nothing-changed": Case(),
    "one-to-three-masters": Case(after=("three-masters",)),
    "three-masters-to-one": Case(before=("three-masters",)),
    "one-worker-more": Case(after=("workers", "workers=3")),
    "one-worker-less": Case(before=("workers", "workers=3")),
    "node-pools": Case(after=("node-pools",)),
    "pod-range": Case(after=("pod-range", "pod_range=10.200.0.0/14")),
    "private-registry": Case(after=("private-registry",)),
    "next-version": Case(before=NEXT),
    "next-version-of-three-masters": Case(before=("three-masters", *NEXT), after=("three-masters",)),
    "worker-gone": Case(gone=("worker/1",)),
    "master-gone": Case(before=("three-masters",), after=("three-masters",), gone=("master/1",)),
    "next-version-with-a-master-gone": Case(
        before=("three-masters", *NEXT), after=("three-masters",), gone=("master/2",)
    ),
}


IN_A_VCENTER = {
    "vsphere-first-deploy": Case(before=None, after=("three-masters", "node-pools", "private-registry")),
    "vsphere-one-worker-more": Case(after=("workers", "workers=3")),
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    ground = Ground(tmp_path_factory.mktemp("kubernetes"))
    for version in ("1.35.4", "1.36.3"):
        asyncio.run(ground.read(version))
    return ground


@pytest.fixture(scope="module")
def center(tmp_path_factory):
    """Where the cloud config is vSphere's."""
    ground = Ground(tmp_path_factory.mktemp("kubernetes"), VSPHERE)
    asyncio.run(ground.read())
    return ground


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_plan_is_the_one_agreed_on(name, ground, request):
    is_agreed_on(name, plan_of(CASES[name], ground), request)


@pytest.mark.parametrize("name", sorted(IN_A_VCENTER))
def test_in_a_vcenter_only_the_cloud_config_is_another(name, center, request):
    is_agreed_on(name, plan_of(IN_A_VCENTER[name], center), request)


def is_agreed_on(name, made, request):
    plan = with_short_ids(explain(made)) + "\n"
    agreed = AGREED / f"{name}.txt"
    if request.config.getoption("--accept"):
        agreed.write_text(plan)
    assert plan == agreed.read_text()


def plan_of(case: Case, ground: Ground):
    record, seen = Record(deployment=DeploymentRecord(name="kubernetes")), Sighting(at=0.0)
    known = Catalog(releases=ground.catalog.releases, stemcells=ground.catalog.stemcells)
    if case.before is not None:
        before, _ = ground.wanted(text(case.before))
        record = deployed(before)
        seen = seen_all(record, gone=case.gone)
    wanted, loaded = ground.wanted(text(case.after), record if record.instances else None)
    if case.before is not None and case.before[-3:] != NEXT:
        known = compiled(wanted, known)
    return make_plan(inputs(wanted, loaded.clouds, record, seen, catalog=known))


def text(words):
    return manifest([w for w in words if "=" not in w], [w for w in words if "=" in w])


def with_short_ids(plan):
    """Ids are stable, but a person compares names; fingerprints change with every word of the release."""
    plan = re.sub(r"(compile [a-z-]+)/[0-9a-f]{12}\b", r"\1", plan)
    ids = dict.fromkeys(re.findall(r"\b[0-9a-f]{8}(?=-\d+\b)", plan))
    for number, found in enumerate(ids):
        plan = plan.replace(found, f"<{number}>")
    return plan
