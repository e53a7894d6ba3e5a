"""Examines a running set-up end to end: record, infrastructures, fabrics, stemcells, cloud config, agents.

Changes nothing but one small setting, which shows that the record can be written. What to do stands with each finding.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from director.execution.infrastructures import DEFAULT, Infrastructures
from director.execution.world import World
from director.manifest.build_cloud import build_cloud
from director.manifest.check import check_clouds
from director.manifest.read import read
from director.manifest.report import errors_of
from director.model.cloud import CloudConfig
from director.model.names import AgentId
from director.model.problem import Refused
from director.model.record import VmState
from director.model.release import Catalog
from director.ports.fabric import Fabric, FabricFailure
from director.ports.failure import InfrastructureFailure, StoreFailure
from director.ports.infrastructure import Finding, Infrastructure
from director.ports.store import PutSetting
from director.reconcile.drift import Refresh, nothing_to_refresh
from director.reconcile.fabric_examine import missing_fabrics
from director.reconcile.probe import probe

DIAGNOSE_S: Final = 20.0
"""For one infrastructure to look at itself; with what follows, less than the minute that clients wait."""
HERE: Final = "local"
"""Stemcell format of infrastructures whose VMs share this machine, and dial its sockets."""
LOOPBACK: Final = ("127.", "localhost", "[::1]")
WILDCARD: Final = ("0.0.0.0:", "[::]:")
NAMED_MAX: Final = 5

Reach = Callable[[str], Awaitable[str]]
"""Connects to a target (``host:port``) and hangs up; "" or why that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """``targets`` gives what agents are told to dial, as gRPC targets; TCP ones are tried by ``reach``.

    ``refresh`` brings the infrastructures up to the CPI configs.
    """

    world: World
    targets: Callable[[], Sequence[str]]
    reach: Reach
    refresh: Refresh = nothing_to_refresh

    async def examine(self) -> Sequence[Finding]:
        """In the order in which things are to be put right. Raises StoreFailure when the record cannot be
        read.
        """
        written = await self._record()
        about_cpis = await self._cpi_configs()
        by_cpi = self.world.infrastructures.by_cpi
        diagnoses = await asyncio.gather(*(_diagnose(_name(cpi), one) for cpi, one in sorted(by_cpi.items())))
        fabrics = self.world.fabrics.by_cpi
        of_fabrics = await asyncio.gather(*(_diagnose(_fabric(cpi), one) for cpi, one in sorted(fabrics.items())))
        catalog = await self.world.store.catalog()
        clouds, about_config = await self._cloud_config()
        used = _used(clouds, set(by_cpi))
        are_well = {cpi for cpi, findings in zip(sorted(by_cpi), diagnoses, strict=True) if _all_well(findings)}
        return (
            written,
            *about_cpis,
            *(finding for findings in (*diagnoses, *of_fabrics) for finding in findings),
            *about_config,
            *_missing_cpis(used, self.world.infrastructures),
            *missing_fabrics(clouds, self.world.fabrics),
            *_stemcells(catalog, used, self.world.infrastructures),
            *(await probe(clouds, catalog, self.world, are_well) if clouds else ()),
            *await self._listeners(),
            await self._agents(),
        )

    async def _record(self) -> Finding:
        try:
            await self.world.store.commit(PutSetting(name="doctor", value={"at": self.world.clock.now()}))
        except StoreFailure as failure:
            fix = "Free space on the director's disk, or look at its database; then ask again."
            return Finding(subject="record", is_well=False, detail=str(failure), fix=fix)
        return Finding(subject="record", is_well=True, detail="It can be read and written.")

    async def _cpi_configs(self) -> Sequence[Finding]:
        """What is wrong in them is no reason not to look at the infrastructures there are."""
        try:
            await self.refresh()
        except Refused as refused:
            return [
                Finding(subject="CPI config", is_well=False, detail=problem.detail, fix=problem.fix)
                for problem in refused.problems
            ]
        return ()

    async def _cloud_config(self) -> tuple[CloudConfig | None, Sequence[Finding]]:
        configs = await self.world.store.configs("cloud")
        if not configs:
            fix = "Set one: `director update-cloud-config FILE`; `director configure vsphere` writes a first one."
            return None, (Finding(subject="cloud config", is_well=False, detail="There is none.", fix=fix),)
        try:
            docs = [read(config.content, f"cloud-config/{config.name}") for config in configs]
            problems = errors_of(check_clouds(docs, strict=False, is_whole=True))
        except Refused as refused:
            problems = refused.problems
        if problems:
            return None, tuple(
                Finding(
                    subject="cloud config", is_well=False, detail=f"{one.mark or ''} {one.detail}".strip(), fix=one.fix
                )
                for one in problems
            )
        clouds = build_cloud(docs)
        counts = (
            f"{len(clouds.azs)} AZs, {len(clouds.networks)} networks, {len(clouds.vm_types)} VM types, "
            f"{len(clouds.disk_types)} disk types."
        )
        return clouds, (Finding(subject="cloud config", is_well=True, detail=counts),)

    async def _listeners(self) -> Sequence[Finding]:
        every = self.world.infrastructures.by_cpi.values()
        has_remote = any(await asyncio.gather(*(_is_remote(one) for one in every)))
        targets = [target for target in self.targets() if not target.startswith("unix:")]
        return [await self._listener(target, has_remote=has_remote) for target in targets]

    async def _listener(self, target: str, *, has_remote: bool) -> Finding:
        subject = f"agents' address {target}"
        is_loopback, is_wildcard = target.startswith(LOOPBACK), target.startswith(WILDCARD)
        if has_remote and (is_loopback or is_wildcard):
            what = "only this machine reaches it" if is_loopback else "no VM can dial it"
            fix = (
                "Set DIRECTOR_ADVERTISED_HOSTS to this machine's address as VMs know it, and DIRECTOR_AGENTS_HOST to "
                "0.0.0.0 or that address; then start the director anew."
            )
            return Finding(subject=subject, is_well=False, detail=f"New VMs are told to dial it, but {what}.", fix=fix)
        why = await self.reach(target)
        if why:
            fix = "Check DIRECTOR_AGENTS_HOST, DIRECTOR_ADVERTISED_HOSTS and firewalls: VMs must reach it."
            return Finding(subject=subject, is_well=False, detail=f"It cannot be reached: {why}.", fix=fix)
        return Finding(subject=subject, is_well=True, detail="It answers on this machine; VMs must reach it too.")

    async def _agents(self) -> Finding:
        expected = [vm for vm in await self.world.store.vms() if vm.state is VmState.CREATED]
        heard = {agent for agent, seen in self.world.agents.seen().items() if seen.is_connected}
        silent = sorted(vm.name for vm in expected if AgentId(vm.agent) not in heard)
        counts = f"{len(expected) - len(silent)} of {len(expected)} connected"
        if not silent:
            return Finding(subject="agents", is_well=True, detail=f"{counts}.")
        more = f" and {len(silent) - NAMED_MAX} more" if len(silent) > NAMED_MAX else ""
        detail = f"{counts}; silent: {', '.join(silent[:NAMED_MAX])}{more}."
        fix = "`director drift` tells whether their VMs run; `director vms` shows whose they are."
        return Finding(subject="agents", is_well=False, detail=detail, fix=fix)


async def _is_remote(infrastructure: Infrastructure) -> bool:
    """One that cannot say so is none of this machine's; its own findings tell why it cannot."""
    try:
        return HERE not in (await infrastructure.info()).stemcell_formats
    except InfrastructureFailure:
        return True


async def _diagnose(name: str, examined: Infrastructure | Fabric) -> Sequence[Finding]:
    """Its own findings, their subjects led by its name."""
    try:
        async with asyncio.timeout(DIAGNOSE_S):
            found = await examined.diagnose()
    except Refused as refused:
        return [
            Finding(subject=name, is_well=False, detail=problem.detail, fix=problem.fix) for problem in refused.problems
        ]
    except (InfrastructureFailure, FabricFailure) as failure:
        fix = "Put right what it says, then ask again."
        return [Finding(subject=name, is_well=False, detail=str(failure), fix=fix)]
    except TimeoutError:
        detail = f"It did not answer within {DIAGNOSE_S:g} s."
        fix = "Check that it runs and can be reached from the director's machine."
        return [Finding(subject=name, is_well=False, detail=detail, fix=fix)]
    return [
        Finding(subject=f"{name}: {one.subject}", is_well=one.is_well, detail=one.detail, fix=one.fix) for one in found
    ]


def _name(cpi: str) -> str:
    return "infrastructure" if cpi == DEFAULT else f"CPI {cpi}"


def _fabric(cpi: str) -> str:
    return "NSX-T" if cpi == DEFAULT else f"NSX-T of CPI {cpi}"


def _all_well(findings: Sequence[Finding]) -> bool:
    return all(finding.is_well for finding in findings)


def _used(clouds: CloudConfig | None, there: set[str]) -> set[str]:
    """CPIs that AZs name, the director's own where one names none; all there are while nothing is known of AZs."""
    if clouds is None:
        return there
    return {az.cpi or DEFAULT for az in clouds.azs} or {DEFAULT}


def _missing_cpis(used: set[str], infrastructures: Infrastructures) -> Sequence[Finding]:
    fix = "Add it with `director update-cpi-config`, or correct `cpi:` of the AZs that name it."
    return [
        Finding(subject=f"CPI {cpi}", is_well=False, detail="An AZ names it, but no CPI config has it.", fix=fix)
        for cpi in sorted(used)
        if _found(cpi, infrastructures) is None
    ]


def _stemcells(catalog: Catalog, used: set[str], infrastructures: Infrastructures) -> Sequence[Finding]:
    found: list[Finding] = []
    for cpi in sorted(used):
        there = _found(cpi, infrastructures)
        own = (one for one in catalog.stemcells if _found(one.cpi, infrastructures) is there)
        names = sorted(f"{one.name}/{one.version}" for one in own)
        where = "" if cpi == DEFAULT else f" on CPI {cpi}"
        fix = "" if names else "Upload one: `director upload-stemcell FILE` puts it onto every infrastructure in use."
        detail = ", ".join(names) or "None was uploaded."
        found.append(Finding(subject=f"stemcells{where}", is_well=bool(names), detail=detail, fix=fix))
    return found


def _found(cpi: str, infrastructures: Infrastructures) -> Infrastructure | None:
    """By its name or a former one."""
    try:
        return infrastructures.of(cpi)
    except InfrastructureFailure:
        return None
