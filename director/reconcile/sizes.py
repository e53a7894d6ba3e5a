"""Turns the ``vm_resources`` of a manifest into VM properties, as each infrastructure would have it."""

import asyncio
from collections.abc import Iterator

from director.execution.infrastructures import Infrastructures
from director.model.cloud import CloudConfig
from director.model.deployment import Deployment, VmResources
from director.planning.resolve import Sizes


async def sizes_of(deployment: Deployment, clouds: CloudConfig, infrastructures: Infrastructures) -> Sizes:
    """Every pair that is asked for, asked once."""
    pairs = sorted(set(_asked(deployment, clouds)), key=str)
    answers = (infrastructures.of(cpi).cloud_properties_for(resources) for cpi, resources in pairs)
    return dict(zip(pairs, await asyncio.gather(*answers), strict=True))


def _asked(deployment: Deployment, clouds: CloudConfig) -> Iterator[tuple[str, VmResources]]:
    cpis: dict[str | None, str] = {az.name: az.cpi or "" for az in clouds.azs}
    for group in deployment.groups:
        if group.vm_resources is not None:
            yield from ((cpis.get(az, ""), group.vm_resources) for az in group.azs or (None,))
    if clouds.compilation.vm_resources is not None:
        yield cpis.get(clouds.compilation.az, ""), clouds.compilation.vm_resources
