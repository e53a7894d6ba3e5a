"""Small deployments, clouds and catalogs for the tests of the resolving half, and how a result is recorded again."""

from ipaddress import ip_address

from director.model.cloud import Az, CloudConfig, Compilation, DiskType, Network, Span, Subnet, VmExtension, VmType
from director.model.deployment import (
    Count,
    Deployment,
    GroupNetwork,
    InstanceGroup,
    JobRef,
    ReleaseRef,
    StemcellRef,
    UpdateRules,
    Watch,
)
from director.model.record import DeploymentRecord, DiskRecord, DiskState, InstanceRecord, Record
from director.model.release import Catalog, Job, Package, Release, Stemcell
from director.planning.resolve import resolve

WATCH = Watch(min_ms=1, max_ms=2)
UPDATE = UpdateRules(canaries=Count(number=1), max_in_flight=Count(number=1), canary_watch=WATCH, update_watch=WATCH)
STEMCELL = Stemcell(name="jammy-go", os="ubuntu-jammy", version="1.200", cid="sc-1", digest="sha256:s")
VERSIONS = {"web": "3.1"}
STEMCELLS = {"default": STEMCELL}


def number(ip):
    return int(ip_address(ip))


def spans(*texts):
    """``a-b`` or ``a`` each."""
    pairs = [(text.split("-")[0], text.split("-")[-1]) for text in texts]
    return tuple(Span(first=number(first), last=number(last)) for first, last in pairs)


def subnet(range_, gateway=None, *, azs=(), reserved=(), static=(), **rest):
    return Subnet(
        range=range_, gateway=gateway, azs=tuple(azs), reserved=spans(*reserved), static=spans(*static), **rest
    )


def network(name, *subnets, **rest):
    return Network(name=name, subnets=subnets, **rest)


PRIVATE = network(
    "private",
    subnet(
        "10.0.1.0/24",
        "10.0.1.1",
        azs=["z1"],
        dns=("8.8.8.8",),
        reserved=["10.0.1.2-10.0.1.9"],
        static=["10.0.1.10-10.0.1.30"],
    ),
    subnet(
        "10.0.2.0/24",
        "10.0.2.1",
        azs=["z2"],
        dns=("8.8.8.8",),
        reserved=["10.0.2.2-10.0.2.9"],
        static=["10.0.2.10-10.0.2.30"],
    ),
    subnet("10.0.3.0/24", "10.0.3.1", azs=["z3"], static=["10.0.3.10-10.0.3.30"]),
)


def cloud(*networks, azs=("z1", "z2", "z3")):
    return CloudConfig(
        networks=networks or (PRIVATE,),
        compilation=Compilation(workers=1, network="private", az="z1"),
        azs=tuple(Az(name=az, cloud_properties={"zone": az, "shared": "az"}) for az in azs),
        vm_types=(VmType(name="small", cloud_properties={"cpu": 1, "shared": "type"}),),
        vm_extensions=(VmExtension(name="lb", cloud_properties={"pool": "front"}),),
        disk_types=(DiskType(name="ten", size_mb=10240, cloud_properties={"fast": True}),),
    )


def job_ref(name, **rest):
    return JobRef(name=name, release="web", **rest)


def joined(name="private", **rest):
    return GroupNetwork(name=name, **rest)


def group(name, instances=1, azs=("z1",), *, networks=None, jobs=(), **rest):
    return InstanceGroup(
        name=name,
        instances=instances,
        azs=tuple(azs),
        stemcell="default",
        vm_type=None if "vm_resources" in rest else "small",
        networks=tuple(networks or (joined(),)),
        jobs=tuple(jobs),
        update=UPDATE,
        **rest,
    )


def deployment(*groups, name="demo", **rest):
    return Deployment(
        name=name,
        releases=(ReleaseRef(name="web", version="3.1"),),
        stemcells=(StemcellRef(alias="default", os="ubuntu-jammy", version="1.200"),),
        update=UPDATE,
        groups=groups,
        **rest,
    )


def job(name, **rest):
    return Job(name=name, fingerprint=f"job-{name}", blob=f"b-{name}", digest="sha256:j", **rest)


def package(name, *dependencies, blob="blob", fingerprint=None):
    return Package(name=name, fingerprint=fingerprint or f"fp-{name}", dependencies=dependencies, blob=blob)


def catalog(*jobs, packages=(), compiled=(), releases=(), stemcells=(STEMCELL,)):
    release = Release(name="web", version="3.1", jobs=jobs, packages=tuple(packages))
    return Catalog(
        releases=(release, *releases), stemcells=tuple(stemcells), compiled={one.key: one for one in compiled}
    )


def solve(wanted, clouds=None, record=None, software=None, **rest):
    """``resolve`` with everything a test does not speak of."""
    given = {"taken": {}, "seed": "seed", "versions": VERSIONS, "stemcells": STEMCELLS, **rest}
    return resolve(wanted, clouds or cloud(), record, software or catalog(), **given)


def instances(wanted, name=None):
    return [i for g in wanted.groups if name in {None, g.name} for i in g.instances]


def recorded(wanted, record=None, *, keeps_obsolete=False):
    """What is recorded once ``wanted`` has been deployed: the unwanted gone, every disk made."""
    rows = [
        InstanceRecord(
            id=i.id,
            deployment=i.deployment,
            group=i.group,
            index=i.index,
            az=i.az,
            is_bootstrap=i.is_bootstrap,
            lifecycle=i.lifecycle,
            want=i.want,
            addresses=i.addresses,
            is_settled=True,
            generation=1,
        )
        for i in instances(wanted)
    ]
    known = {row.id for row in rows}
    if keeps_obsolete and record:
        rows += [row for row in record.instances if row.id not in known]
    disks = [disk_of(i.id) for i in instances(wanted) if i.disk]
    serial = record.deployment.serial + 1 if record else 1
    return Record(
        deployment=DeploymentRecord(name=wanted.deployment, serial=serial), instances=tuple(rows), disks=tuple(disks)
    )


def disk_of(instance):
    return DiskRecord(
        name=f"disk-{instance}", deployment="demo", label="x/0", size_mb=1, state=DiskState.ATTACHED, instance=instance
    )


def row(index, az, *, name="g", **rest):
    """A recorded instance whose id tells its group and index."""
    return InstanceRecord(id=f"{name}-{index}", deployment="demo", group=name, index=index, az=az, **rest)


def record_of(*rows, disks=()):
    deployed = DeploymentRecord(name="demo", serial=1)
    return Record(deployment=deployed, instances=rows, disks=tuple(disk_of(instance) for instance in disks))
