"""Reads what a request says: flags, numbers, JSON, texts. What is wrong with it is Answered 400 with BOSH's number."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from director.api.answer import Answered
from director.api.services import services_of
from director.model.names import DeploymentName
from director.model.record import DeploymentRecord, Record

TEXT_SIZE_MAX = 16 * 1024 * 1024
"""Bytes of a manifest, config or JSON body held in memory; manifests have their own, lower limit."""

INVALID_TYPE = 40000
MISSING_FIELD = 40001
VIOLATED_MAX = 40003
INVALID_VALUE = 40005
INVALID_JSON = 710001


def flag(request: Request, name: str) -> bool:
    """``?name=true``; absent is False. Anything else is refused rather than guessed."""
    value = request.query_params.get(name, "false")
    if value not in {"true", "false", ""}:
        raise Answered(400, INVALID_VALUE, f"?{name}={value}: write true or false.")
    return value == "true"


def number(request: Request, name: str) -> int | None:
    """``?name=12``, or None when it is absent."""
    value = request.query_params.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise Answered(400, INVALID_VALUE, f"?{name}={value}: write a whole number.")
    return int(value)


def words(request: Request, name: str) -> tuple[str, ...]:
    """``?name=a,b`` as its parts."""
    return tuple(part for part in request.query_params.get(name, "").split(",") if part)


async def body_of(request: Request) -> bytes:
    """The whole body, which must be small. Raises Answered (413) before more than the limit is held."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > TEXT_SIZE_MAX:
            raise Answered(413, VIOLATED_MAX, f"The body is larger than {TEXT_SIZE_MAX // 1024 // 1024} MiB.")
        chunks.append(chunk)
    return b"".join(chunks)


async def text_of(request: Request) -> str:
    """The body as text."""
    try:
        return (await body_of(request)).decode()
    except UnicodeDecodeError as error:
        raise Answered(400, INVALID_VALUE, f"The body is not UTF-8: byte {error.start} begins no character.") from error


class Body:
    """A JSON object, read key by key; a key of another type than asked for is refused by name."""

    def __init__(self, tree: Mapping[str, Any], path: str = "") -> None:
        self.tree = tree
        self._path = path

    def text(self, key: str, default: str | None = None) -> str:
        return str(self._value(key, str, "text", default))

    def flag(self, key: str, default: bool | None = None) -> bool:
        return bool(self._value(key, bool, "true or false", default))

    def part(self, key: str) -> "Body":
        return Body(self._value(key, dict, "an object", None), f"{self._path}{key}.")

    def parts(self, key: str) -> tuple["Body", ...]:
        """A list of objects; absent is empty."""
        found = self._value(key, list, "a list", [])
        return tuple(as_object(item, f"{self._path}{key}[{index}]") for index, item in enumerate(found))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; absent is empty."""
        found = self._value(key, list, "a list", [])
        if not all(isinstance(item, str) for item in found):
            raise Answered(400, INVALID_TYPE, f'"{self._path}{key}" must be a list of texts.')
        return tuple(found)

    def _value(self, key: str, kind: type, said: str, default: object) -> Any:
        value = self.tree.get(key)
        if value is None and default is not None:
            return default
        if value is None:
            raise Answered(400, MISSING_FIELD, f'"{self._path}{key}" is missing; it must be {said}.')
        if not isinstance(value, kind):
            raise Answered(400, INVALID_TYPE, f'"{self._path}{key}" must be {said}.')
        return value


def as_object(value: object, name: str) -> Body:
    if not isinstance(value, dict):
        raise Answered(400, INVALID_TYPE, f"{name} must be a JSON object.")
    return Body(value, "" if name == "The body" else f"{name}.")


async def json_of(request: Request) -> Body:
    """The body as a JSON object; an empty body is an empty object."""
    content = await body_of(request)
    try:
        value = json.loads(content) if content.strip() else {}
    except (ValueError, RecursionError) as error:
        raise Answered(400, INVALID_JSON, f"The body is not JSON: {error}.") from error
    return as_object(value, "The body")


async def deployment_of(request: Request) -> DeploymentRecord:
    """The deployment that the address names. Raises Answered (404, 70000)."""
    name = DeploymentName(request.path_params["deployment"])
    return _found(name, await services_of(request).store.deployment(name))


async def record_of(request: Request) -> Record:
    """As ``deployment_of``, with instances, VMs and disks."""
    name = DeploymentName(request.path_params["deployment"])
    record = await services_of(request).store.record(name)
    _found(name, record.deployment if record else None)
    assert record is not None, "its deployment was found"
    return record


def _found(name: str, deployment: DeploymentRecord | None) -> DeploymentRecord:
    if deployment is None:
        raise Answered(404, 70000, f"Deployment '{name}' doesn't exist.")
    return deployment
