"""Cloud-check: scans, the problems the last one found, and what is chosen for them (sections 5.5 and 6.2)."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, start_task
from director.api.ask import INVALID_TYPE, Body, deployment_of, json_of, record_of
from director.api.services import services_of
from director.model.record import Record
from director.reconcile.cloudcheck import open_problems
from director.reconcile.requests import ApplyResolutions, ScanAndFix, ScanProblems
from director.reconcile.resurrection import SETTING

INVALID_RESOLUTION = 410003
PAUSED = 410004
_SHOWN = ("id", "type", "data", "description", "instance_group", "resolutions")


async def scan(request: Request) -> Response:
    deployment = await deployment_of(request)
    return await start_task(request, ScanProblems(deployment=deployment.name))


async def list_problems(request: Request) -> Response:
    """As the last scan found them. ``name`` of a resolution is what is sent back, ``plan`` what people read."""
    deployment = await deployment_of(request)
    trees = [one.to_tree() for one in await open_problems(deployment.name, services_of(request).store)]
    return json_answer([{key: tree[key] for key in _SHOWN} for tree in trees])


async def resolve(request: Request) -> Response:
    """``{"resolutions": {"id": name or null}, "max_in_flight_overrides": {group: "N" or "N%"}}``."""
    deployment = await deployment_of(request)
    body = await json_of(request)
    resolutions = tuple((_number(key), _name(key, value)) for key, value in body.part("resolutions").tree.items())
    limits = _texts(body, "max_in_flight_overrides")
    asked = ApplyResolutions(deployment=deployment.name, resolutions=resolutions, max_in_flight=limits)
    return await start_task(request, asked)


async def scan_and_fix(request: Request) -> Response:
    """``{"jobs": {group: [uuid, …]}}``. Raises Answered (410004) while resurrection is paused."""
    record = await record_of(request)
    instances = _instances(await json_of(request), record)
    setting = await services_of(request).store.setting(SETTING)
    if (setting or {}).get("paused", False):
        raise Answered(400, PAUSED, "Resurrection is paused, so nothing is repaired without being asked.")
    return await start_task(request, ScanAndFix(deployment=record.deployment.name, instances=instances))


def _instances(body: Body, record: Record) -> tuple[str, ...]:
    """Ids; BOSH's monitor sends them, indexes are taken too. What is not there is left out, as BOSH does."""
    jobs = body.part("jobs")
    named = {(group, name) for group in jobs.tree for name in _strings(jobs, group)}
    return tuple(i.id for i in record.instances if {(i.group, i.id), (i.group, str(i.index))} & named)


def _strings(body: Body, key: str) -> tuple[str, ...]:
    value = body.tree[key]
    if not isinstance(value, list) or not all(isinstance(one, str | int) for one in value):
        raise Answered(400, INVALID_TYPE, f'"jobs.{key}" must be a list of instance ids.')
    return tuple(str(one) for one in value)


def _number(key: str) -> int:
    if not (key.isascii() and key.isdigit()):
        raise Answered(400, INVALID_RESOLUTION, f'"{key}" is no id of a problem: ids are whole numbers.')
    return int(key)


def _name(key: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Answered(400, INVALID_RESOLUTION, f"The resolution of problem {key} must be a text, or null.")
    return value


def _texts(body: Body, key: str) -> tuple[tuple[str, str], ...]:
    value = body.tree.get(key)
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise Answered(400, INVALID_TYPE, f'"{key}" must be an object.')
    return tuple((group, str(count)) for group, count in sorted(value.items()))
