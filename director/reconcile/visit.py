"""Tasks that only ask: instances as they are now, logs from their VMs."""

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from director.execution.silence import unless_away
from director.execution.world import World
from director.model.names import BlobId, DeploymentName
from director.model.problem import Problem, Refused
from director.model.record import InstanceRecord, Record
from director.ports.agents import FetchLogs as AskForLogs
from director.ports.blobs import Blobs
from director.ports.failure import Failure
from director.reconcile.bundle import bundle
from director.reconcile.driver import Job
from director.reconcile.requests import FetchLogs, ListInstances
from director.reconcile.show import instance_row
from director.reconcile.target import targets

LOGS_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    world: World
    blobs: Blobs
    scratch: Path

    async def list_instances(self, request: ListInstances, job: Job) -> str:
        """One JSON object per line of the result (section 6.2, format=full)."""
        record = await self._record(request.deployment)
        seen = self.world.agents.seen()
        paused = bool((await self.world.store.setting("resurrection") or {}).get("paused"))
        for instance in sorted(record.instances, key=lambda i: (i.group, i.index)):
            vms = record.vms_of(instance.id)
            if instance.is_compilation or (request.vms_only and not vms):
                continue
            vm = max(vms, key=lambda v: v.generation, default=None)
            agent = seen.get(vm.agent) if vm else None
            disks = record.disks_of(instance.id)
            job.stages.result(instance_row(instance, vm, disks, agent, resurrection_paused=paused))
        return ""

    async def fetch_logs(self, request: FetchLogs, job: Job) -> str:
        """The blob id of one archive; that of several instances holds an archive of each."""
        record = await self._record(request.deployment)
        found = [i for i in targets(request.target, record.instances) if record.vms_of(i.id)]
        if not found:
            raise Failure(f"None of {request.target} has a VM to fetch logs from.")
        fetched = await asyncio.gather(*(self._logs_of(instance, record, request, job) for instance in found))
        if len(found) == 1:
            return fetched[0]
        archives = {f"{i.group}.{i.id}.tgz": blob for i, blob in zip(found, fetched, strict=True)}
        return await bundle(archives, self.blobs, self.scratch / f"logs-{job.task.id}.tgz")

    async def _logs_of(self, instance: InstanceRecord, record: Record, request: FetchLogs, job: Job) -> BlobId:
        vm = max(record.vms_of(instance.id), key=lambda v: v.generation)
        seen = self.world.agents.seen().get(vm.agent)
        if seen is None or not seen.is_connected:
            raise Failure(f"The agent of {instance.label} does not answer, so its logs cannot be fetched now.")
        task = f"{instance.group}/{instance.id} ({instance.index})"
        job.stages.event("Fetching logs for", task, "started")
        ask = AskForLogs(kinds=request.kinds, filters=request.filters)
        key = f"task-{job.task.id}/{instance.id}:logs"
        job.at_end(partial(self.world.agents.forget, vm.agent, key))
        wait = self.world.agents.ask(vm.agent, ask, key=key, timeout_s=LOGS_S)
        reply = await unless_away(wait, vm.agent, instance.label, self.world)
        job.stages.event("Fetching logs for", task, "finished")
        return BlobId(str(reply["blob"]))

    async def _record(self, name: str) -> Record:
        record = await self.world.store.record(DeploymentName(name))
        if record is None:
            problem = Problem(
                code="deployment.not-found",
                summary="Unknown deployment",
                detail=f'There is no deployment "{name}".',
                fix="list them with `director deployments`.",
                number=70000,
            )
            raise Refused([problem])
        return record
