"""Planner tests without a world: manifests in, plans out, records as if everything had gone well."""

from collections.abc import Mapping, Sequence

from director.manifest.load import load_deployment
from director.model.names import BlobId, Digest, JobName, PackageName, PlanId, ReleaseName, StemcellCid, VmCid
from director.model.record import (
    Applied,
    DeploymentRecord,
    DiskRecord,
    DiskState,
    InstanceRecord,
    Record,
    VmRecord,
    VmState,
)
from director.model.release import (
    Catalog,
    CompiledPackage,
    Job,
    LinkConsumed,
    LinkProvided,
    Package,
    PropertySpec,
    Release,
    Stemcell,
)
from director.model.sighting import JobState, Power, SeenAgent, SeenVm, Sighting
from director.model.tree import digest_of
from director.model.wanted import Want, Wanted, WantedInstance
from director.planning.chain import identity_of
from director.planning.inputs import Inputs, applied_of
from director.planning.package import missing_compilations
from director.planning.resolve import resolve
from director.planning.spec import spec_tree
from director.reconcile.choose import choose


def job(name, *, scripts=(), packages=("tool",), properties=None, provides=(), consumes=()):
    return Job(
        name=JobName(name),
        fingerprint=f"job-{name}",
        blob=BlobId(f"blob-{name}"),
        digest=Digest(f"sha256:{name}"),
        templates={f"{script}.sh": f"bin/{script}" for script in scripts},
        packages=tuple(PackageName(p) for p in packages),
        properties=properties or {"port": PropertySpec(default=80)},
        provides=provides,
        consumes=consumes,
    )


def package(name, *dependencies):
    return Package(
        name=PackageName(name),
        fingerprint=f"package-{name}",
        dependencies=tuple(PackageName(d) for d in dependencies),
        blob=BlobId(f"source-{name}"),
        digest=Digest(f"sha256:{name}"),
    )


RELEASE = Release(
    name=ReleaseName("sample"),
    version="1",
    jobs=(
        job("app", scripts=("pre-start", "drain", "post-deploy"), consumes=(LinkConsumed(name="db", type="db"),)),
        job("db", scripts=("pre-stop",), provides=(LinkProvided(name="db", type="db", properties=("port",)),)),
        job("plain", packages=()),
        job("check", scripts=("run",), packages=()),
    ),
    packages=(package("tool", "base"), package("base")),
)
STEMCELL = Stemcell(name="local", os="local", version="1", cid=StemcellCid("host"), digest=Digest("sha256:0"))
NEWER = Stemcell(name="local", os="local", version="2", cid=StemcellCid("host-2"), digest=Digest("sha256:2"))
CATALOG = Catalog(releases=(RELEASE,), stemcells=(STEMCELL, NEWER))


def compiled(wanted: Wanted, catalog: Catalog = CATALOG) -> Catalog:
    """``catalog`` once every package of ``wanted`` has been compiled."""
    built = {
        one.key: CompiledPackage(
            key=one.key,
            name=one.package.name,
            fingerprint=one.package.fingerprint,
            stemcell_os=one.stemcell.os,
            stemcell_version=one.stemcell.version,
            blob=BlobId(one.key),
            digest=Digest(one.key),
        )
        for one in missing_compilations(wanted, catalog)
    }
    return Catalog(releases=catalog.releases, stemcells=catalog.stemcells, compiled=built)


def wish(manifest: str, cloud: str, record: Record | None = None, *, seed="seed", catalog=CATALOG, **more):
    """(Wanted, clouds) of a manifest text."""
    loaded = load_deployment(
        manifest, "manifest.yml", cloud=[("cloud", cloud)], runtime=[], catalog=catalog, strict=True
    )
    chosen = choose(loaded.deployment, catalog)
    wanted = resolve(
        loaded.deployment,
        loaded.clouds,
        record,
        catalog,
        taken={},
        seed=seed,
        versions=chosen.versions,
        stemcells=chosen.stemcells,
        **more,
    )
    return wanted, loaded.clouds


def specs_of(wanted: Wanted) -> Mapping[str, Applied]:
    """What each instance should apply; the content hash stands for properties, links and spec."""
    return {
        i.id: applied_of(i, digest_of([[dict(j.properties), dict(j.links)] for j in i.jobs] + [spec_tree(i)]))
        for group in wanted.groups
        for i in group.instances
    }


def deployed(wanted: Wanted, *, manifest="before", serial=1) -> Record:
    """The record as if ``wanted`` had been deployed and all gone well."""
    specs = specs_of(wanted)
    services = [i for g in wanted.groups for i in g.instances if g.lifecycle.value == "service"]
    return Record(
        deployment=DeploymentRecord(name=wanted.deployment, serial=serial, manifest=manifest),
        instances=tuple(_instance(i, specs[i.id]) for i in services),
        vms=tuple(_vm(i) for i in services if i.want is not Want.DETACHED),
        disks=tuple(_disk(i) for i in services if i.disk),
    )


def _instance(i: WantedInstance, spec: Applied) -> InstanceRecord:
    return InstanceRecord(
        id=i.id,
        deployment=i.deployment,
        group=i.group,
        index=i.index,
        az=i.az,
        is_bootstrap=i.is_bootstrap,
        want=i.want,
        addresses=i.addresses,
        applied=spec,
        is_settled=True,
        generation=1,
    )


def _vm(i: WantedInstance) -> VmRecord:
    identity = identity_of(i.id, i.label, 1)
    return VmRecord(
        name=identity.name,
        instance=i.id,
        deployment=i.deployment,
        agent=identity.agent,
        generation=1,
        shape=i.shape,
        state=VmState.CREATED,
        created_at=0.0,
        cid=VmCid(identity.name),
    )


def _disk(i: WantedInstance) -> DiskRecord:
    assert i.disk is not None
    return DiskRecord(
        name=f"disk-{i.id[:8]}-1",
        deployment=i.deployment,
        label=i.label,
        size_mb=i.disk.size_mb,
        cloud_properties=i.disk.cloud_properties,
        state=DiskState.ATTACHED,
        instance=i.id,
        az=i.az,
        cid=f"disk-{i.id[:8]}-1",
        vm=identity_of(i.id, i.label, 1).name,
    )


def seen_all(record: Record, *, silent: Sequence[str] = (), gone: Sequence[str] = (), failing: Sequence[str] = ()):
    """A sighting in which all is well but for the instances named by label."""
    label = {i.id: i.label for i in record.instances}
    agents = {
        vm.agent: SeenAgent(
            id=vm.agent,
            is_connected=label[vm.instance] not in {*silent, *gone},
            silent_s=0.0,
            job_state=JobState.FAILING if label[vm.instance] in failing else JobState.RUNNING,
        )
        for vm in record.vms
    }
    vms = {
        vm.name: SeenVm(name=vm.name, cid=vm.cid, power=Power.ON) for vm in record.vms if label[vm.instance] not in gone
    }
    return Sighting(at=0.0, vms=vms, agents=agents)


def inputs(wanted, clouds, record, seen, *, catalog=CATALOG, **more) -> Inputs:
    return Inputs(
        id=PlanId("plan"),
        wanted=wanted,
        specs=specs_of(wanted),
        record=record,
        seen=seen,
        catalog=catalog,
        clouds=clouds,
        **more,
    )
