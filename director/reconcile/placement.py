"""Asks the infrastructures where a plan's VMs and disks are to go, and writes the answers into the plan.

The last stage of planning, and the only one that needs an answer from outside: until it has come, nothing was
changed, so what cannot be placed is refused here, all of it at once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from director.execution.infrastructures import Infrastructures
from director.manifest.fill import fill
from director.model.names import DiskCid, DiskName
from director.model.placement import NOT_PLACED, DiskWish, Placements, VmWish
from director.model.plan import Plan, PlannedStep
from director.model.problem import Refused
from director.model.record import Record
from director.model.step import CreateDisk, CreateVm
from director.model.tree import Node, Tree


async def with_placements(
    plan: Plan, record: Record, values: Mapping[str, Node], infrastructures: Infrastructures
) -> Plan:
    """The plan with every placement and its warnings in it; one question to each infrastructure that is to create
    something.

    Raises Refused with every problem of every infrastructure.
    """
    wishes = _Wishes(plan, record, values)
    cpis = wishes.cpis()
    asked = (infrastructures.of(cpi).place(wishes.vms(cpi), wishes.disks(cpi)) for cpi in cpis)
    answers = dict(zip(cpis, await asyncio.gather(*asked), strict=True))
    problems = [problem for answer in answers.values() for problem in answer.problems]
    if problems:
        raise Refused(problems)
    if not cpis:
        return plan
    warnings = dict.fromkeys(warning for answer in answers.values() for warning in answer.warnings)
    steps = tuple(_placed(planned, answers) for planned in plan.steps)
    return replace(plan, steps=steps, warnings=(*plan.warnings, *warnings))


class _Wishes:
    """What a plan is to create, by infrastructure."""

    def __init__(self, plan: Plan, record: Record, values: Mapping[str, Node]) -> None:
        self._deployment = plan.deployment
        self._cids = {disk.name: disk.cid for disk in record.disks if disk.cid}
        self._values = values
        self._vms = [(planned.subject, planned.step) for planned in plan.steps if isinstance(planned.step, CreateVm)]
        self._disks = [planned.step for planned in plan.steps if isinstance(planned.step, CreateDisk)]

    def cpis(self) -> list[str]:
        return sorted({step.shape.cpi for _, step in self._vms} | {step.cpi for step in self._disks})

    def vms(self, cpi: str) -> list[VmWish]:
        return [self._vm(label, step) for label, step in self._vms if step.shape.cpi == cpi]

    def disks(self, cpi: str) -> list[DiskWish]:
        return [self._disk(step) for step in self._disks if step.cpi == cpi]

    def _vm(self, label: str, step: CreateVm) -> VmWish:
        return VmWish(
            name=step.vm,
            deployment=self._deployment,
            label=label,
            shape=replace(step.shape, cloud_properties=self._filled(step.shape.cloud_properties)),
            az=step.az,
            disks=_known(step.disks, self._cids),
        )

    def _disk(self, step: CreateDisk) -> DiskWish:
        assert step.vm is not None, "a disk is made for a VM"
        properties = self._filled(step.cloud_properties)
        return DiskWish(name=step.disk, size_mb=step.size_mb, vm=step.vm, cloud_properties=properties)

    def _filled(self, properties: Tree) -> Tree:
        return cast("Tree", fill(properties, self._values))


def _known(names: tuple[DiskName, ...], cids: Mapping[DiskName, DiskCid]) -> tuple[DiskCid, ...]:
    return tuple(cids[name] for name in names if name in cids)


def _placed(planned: PlannedStep, answers: Mapping[str, Placements]) -> PlannedStep:
    step = planned.step
    if isinstance(step, CreateVm):
        found = answers[step.shape.cpi].vms.get(step.vm, NOT_PLACED)
        return replace(planned, step=replace(step, placement=found))
    if isinstance(step, CreateDisk):
        found = answers[step.cpi].disks.get(step.disk, NOT_PLACED)
        return replace(planned, step=replace(step, placement=found))
    return planned
