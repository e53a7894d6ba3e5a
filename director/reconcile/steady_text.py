"""From what a source holds to what can be deployed: ops files applied, configs put where a plan finds them.

Note: whose configs count. A source's config is uploaded when the source changed it, and never again: whoever uploads
another one afterwards is told of, not fought with; neither are two sources that disagree.
"""

from collections.abc import Callable, Mapping
from typing import Final

from director.execution.world import World
from director.manifest.load import check_cloud_text, check_runtime_text
from director.manifest.patch import patch, read_ops
from director.manifest.read import read_any
from director.manifest.report import errors_of
from director.manifest.write import write
from director.model.names import DeploymentName
from director.model.problem import Problem, Refused
from director.model.record import Config, Event
from director.model.steady import Mode, Policy
from director.model.tree import digest_of
from director.ports.sources import Texts
from director.ports.store import AddEvent, PutSetting
from director.reconcile.steady_words import USER

NAME: Final = "default"

_CHECKS: Final[Mapping[str, Callable[..., tuple[Problem, ...]]]] = {
    "cloud": check_cloud_text,
    "runtime": check_runtime_text,
}


def manifest_text(texts: Texts) -> str:
    """The manifest with its ops files applied; without any, byte for byte. Raises Refused."""
    if not texts.ops:
        return texts.manifest
    tree = read_any(texts.manifest, texts.file).node
    for file, text in texts.ops:
        tree = patch(tree, read_ops(text, file))
    return write(tree)


def brought_by(deployment: DeploymentName) -> str:
    """The setting that holds digests of the configs a deployment's source brought last, by type."""
    return f"steady-configs:{deployment}"


async def bring_configs(policy: Policy, texts: Texts, world: World) -> tuple[str, ...]:
    """Uploads what is new; in words, what differs and is left alone. Raises Refused for configs that cannot be used."""
    brought = dict(await world.store.setting(brought_by(policy.deployment)) or {})
    known, notes = dict(brought), list[str]()
    for kind, text in sorted(texts.configs.items()):
        current = next(iter(await world.store.configs(kind, NAME)), None)
        is_same = current is not None and current.content == text
        if not is_same and brought.get(kind) == digest_of(text):
            notes.append(f"the {kind} config is not that of the source any more: somebody uploaded another one since")
        elif not is_same and policy.mode is Mode.PROPOSE:
            notes.append(f"the source has another {kind} config; the plan is made without it (only proposed)")
        else:
            if not is_same:
                await _upload(kind, text, current, world)
            known[kind] = digest_of(text)
    if known != brought:
        await world.store.commit(PutSetting(name=brought_by(policy.deployment), value=known))
    return tuple(notes)


async def _upload(kind: str, text: str, current: Config | None, world: World) -> None:
    """Checked as any that is uploaded."""
    others = [(c.name, c.content) for c in await world.store.configs(kind) if c.name != NAME]
    problems = errors_of(_CHECKS[kind](text, f"configs/{kind}.yml", others=others))
    if problems:
        raise Refused(problems)
    now = world.clock.now()
    await world.store.add_config(kind, NAME, text, now)
    action = "create" if current is None else "update"
    event = Event(at=now, user=USER, action=action, object_type=f"{kind}-config", object_name=NAME)
    await world.store.commit(AddEvent(event=event))
