"""Carries out the network part of ``drift --fix``: looks at the fabrics, plans by the record alone, converges."""

from collections.abc import Sequence
from dataclasses import dataclass

from director.execution.world import World
from director.model.names import DeploymentName, PlanId
from director.model.problem import Refused
from director.model.release import Catalog
from director.model.sighting import Sighting
from director.model.wanted import Wanted
from director.planning.drift import Drift
from director.planning.explain import summary
from director.planning.fabric_repair import NetworkFix, choose_networks, make_network_repair
from director.reconcile.converge import converge
from director.reconcile.driver import Job
from director.reconcile.encode import Encode
from director.reconcile.networks import look_at_fabrics
from director.reconcile.prepare import Prepared
from director.reconcile.refuse import no_deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFixer:
    world: World
    encode: Encode

    async def set_back(
        self, deployment: DeploymentName, confirmed: Sequence[Drift], others: Sequence[Drift], job: Job
    ) -> None:
        """Raises Refused for what no plan may go on with, Outdated when somebody changed something between look and
        write, Failure when a step failed. What is held back is told.
        """
        record = await self.world.store.record(deployment)
        if record is None:
            raise Refused([no_deployment(deployment)])
        fix = choose_networks(record, confirmed, others, self.world.agents.seen())
        plan = make_network_repair(PlanId(self.world.new_id()), record, fix, await self._look(fix))
        job.check()
        if plan.steps:
            prepared = Prepared(
                plan=plan,
                record=record,
                catalog=Catalog(),
                wanted=Wanted(deployment=deployment, groups=()),
                manifest=None,
                config_ids=(),
            )
            await converge(prepared, job, self.world, self.encode)
        else:
            for hold in plan.holds:
                job.stages.warn(f"Held back: {hold.reason}")
        job.stages.say(summary(plan))

    async def _look(self, fix: NetworkFix) -> Sighting:
        stacks = [one.stack for one in fix.stacks]
        fabrics = await look_at_fabrics(stacks, fix.stacks, self.world)
        return Sighting(at=self.world.clock.now(), fabrics=fabrics)
