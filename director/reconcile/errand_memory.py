"""Remembers with what an errand last succeeded on an instance, so that ``--when-changed`` can leave it out (4.5)."""

from collections.abc import Mapping

from director.execution.world import World
from director.model.names import InstanceId
from director.model.tree import digest_of
from director.model.wanted import Content, WantedInstance
from director.ports.store import PutSetting


def fingerprint_of(instance: WantedInstance, job: str, contents: Mapping[InstanceId, Content]) -> str:
    """Changes when the instance's packages, its configuration or the job run do."""
    packages = [[package.name, package.key] for package in instance.packages]
    return digest_of([job, packages, contents[instance.id].configuration_hash])


async def has_succeeded(errand: str, instance: InstanceId, fingerprint: str, world: World) -> bool:
    known = await world.store.setting(_name(errand, instance))
    return known is not None and known.get("fingerprint") == fingerprint


async def remember(errand: str, instance: InstanceId, fingerprint: str, world: World, *, exit_code: object) -> None:
    """A run that failed is remembered as none."""
    kept = fingerprint if exit_code == 0 else ""
    await world.store.commit(PutSetting(name=_name(errand, instance), value={"fingerprint": kept}))


def _name(errand: str, instance: InstanceId) -> str:
    return f"errand:{instance}:{errand}"
