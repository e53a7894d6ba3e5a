"""One way to write a config, whatever address it came to: checked, kept, told in the audit trail (section 2.0).

A cloud or runtime config is checked in full when it is uploaded, not first when something is deployed (D.4).
"""

from collections.abc import Sequence

from starlette.requests import Request

from director.api.answer import problem_tree, user_of
from director.api.ask import flag
from director.api.services import services_of
from director.manifest.load import (
    check_cloud_text,
    check_cpi_text,
    check_network_text,
    check_resurrection_text,
    check_runtime_text,
)
from director.manifest.read import read
from director.model.problem import Problem, Refused, Severity
from director.model.record import Config, Event
from director.model.tree import Tree
from director.ports.store import AddEvent, Store

DEFAULT_NAME = "default"

_CHECKS = {
    "cloud": check_cloud_text,
    "runtime": check_runtime_text,
    "cpi": check_cpi_text,
    "network": check_network_text,
    "resurrection": check_resurrection_text,
}
_BY_ADDRESS = frozenset(("cloud", "runtime", "cpi", "network"))
"""Types with an address of their own, which the audit trail calls ``cloud-config`` and so on."""


async def write_config(
    request: Request, type: str, name: str, content: str, *, expected_latest_id: int | None = None
) -> tuple[Config, list[dict[str, object]]]:
    """The version now current, and warnings. The same text again makes no new version.

    Raises Refused for a text that cannot be used, Conflict when ``expected_latest_id`` is not the latest.
    """
    services = services_of(request)
    file = file_of(request, type, name)
    problems = await check(services.store, type, name, content, file, strict=flag(request, "strict"))
    if type == "cpi" and not _has_errors(problems):
        problems = (*problems, *services.check_cpis(content, file))
    if _has_errors(problems):
        raise Refused(problems)
    before = await latest(services.store, type, name)
    now = services.clock.now()
    config = await services.store.add_config(type, name, content, now, expected_latest_id=expected_latest_id)
    if before is None or config.id != before.id:
        action = "create" if before is None else "update"
        await services.store.commit(AddEvent(event=event_of(config.type, config.name, action, now, user_of(request))))
        services.poke()
    return config, [problem_tree(problem) for problem in problems]


def _has_errors(problems: Sequence[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def file_of(request: Request, type: str, name: str) -> str:
    """What the operator calls the text (``?source=``), for the places in problems."""
    return request.query_params.get("source") or f"{type} config {name}"


async def check(store: Store, type: str, name: str, content: str, file: str, *, strict: bool) -> tuple[Problem, ...]:
    """Everything wrong with the text, beside the other current configs of its type. Any type must be a YAML map."""
    checker = _CHECKS.get(type)
    if checker is None:
        return read(content, file).warnings
    others = [(c.name, c.content) for c in sorted(await store.configs(type), key=lambda c: c.id) if c.name != name]
    return checker(content, file, strict, others=others)


def event_of(type: str, name: str, action: str, at: float, user: str) -> Event:
    object_type = f"{type}-config" if type in _BY_ADDRESS else f"config/{type}"
    return Event(at=at, user=user, action=action, object_type=object_type, object_name=name)


async def latest(store: Store, type: str, name: str) -> Config | None:
    return next(iter(await store.configs(type, name)), None)


def tree_of(config: Config) -> Tree:
    """The stored text, read."""
    return read(config.content, f"{config.type} config {config.name}").root
