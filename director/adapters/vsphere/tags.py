"""vSphere tags (by REST) and custom attributes (by SOAP) on VMs. People read them, the director does not.

So nothing here fails a deployment (as with the existing CPI, 3.11): what could not be done comes back as warnings.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.session import Session
from director.model.tree import Tree

_TAGGING: Final = "/rest/com/vmware/cis/tagging"
MISSING_S: Final = 60.0
"""So long a tag that was not there is believed to be missing: 200 VMs with it should not list all tags 200 times."""


class Tags:
    """Ids of categories and tags are asked for once; vCenter gives names only one tag at a time."""

    def __init__(self, session: Session, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._now_s = now_s
        self._ids: dict[str, Mapping[str, str]] = {}
        self._read_at: dict[str, float] = {}
        self._categories: Mapping[str, str] = {}
        self._listed_at = float("-inf")
        self._reading = asyncio.Lock()

    async def attach(self, vm: str, tags: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """``tags`` are pairs of category and tag. One request when all are known. Returns warnings."""
        wanted = sorted(set(tags))
        try:
            found = {pair: await self._id(*pair) for pair in wanted}
            warnings = [_missing(*pair) for pair, tag in found.items() if tag is None]
            ids = [tag for tag in found.values() if tag is not None]
            return (*warnings, *(await self._attach(vm, ids) if ids else ()))
        except Fault as fault:
            listed = ", ".join(f"{category}/{tag}" for category, tag in wanted)
            return (f"The VM was not given its vSphere tags ({listed}). {fault}",)

    async def _attach(self, vm: str, ids: Sequence[str]) -> Sequence[str]:
        body: Tree = {"object_id": {"id": vm, "type": "VirtualMachine"}, "tag_ids": list(ids)}
        path = f"{_TAGGING}/tag-association?~action=attach-multiple-tags-to-object"
        answer = _value(await self._session.rest("POST", path, body)) or {}
        errors = answer.get("error_messages") or ()
        if errors:
            # A tag may have been made anew, under another id.
            self._ids.clear()
        return [f"A vSphere tag was not attached: {error.get('default_message') or error}." for error in errors]

    async def _id(self, category: str, tag: str) -> str | None:
        async with self._reading:
            known = self._ids.get(category)
            if known is None or (tag not in known and self._is_old(self._read_at[category])):
                known = self._ids[category] = await self._tags_of(category)
                self._read_at[category] = self._now_s()
            return known.get(tag)

    async def _tags_of(self, category: str) -> Mapping[str, str]:
        if category not in self._categories and self._is_old(self._listed_at):
            self._categories = await self._names(f"{_TAGGING}/category", await self._list("GET", "category"))
            self._listed_at = self._now_s()
        number = self._categories.get(category)
        if number is None:
            return {}
        listed = await self._list("POST", f"tag/id:{number}?~action=list-tags-for-category")
        return await self._names(f"{_TAGGING}/tag", listed)

    async def _list(self, method: str, path: str) -> Sequence[str]:
        return [str(one) for one in _value(await self._session.rest(method, f"{_TAGGING}/{path}")) or ()]

    async def _names(self, path: str, ids: Sequence[str]) -> Mapping[str, str]:
        answers = await asyncio.gather(*(self._session.rest("GET", f"{path}/id:{one}") for one in ids))
        return {str(_value(answer)["name"]): one for one, answer in sorted(zip(ids, answers, strict=True))}

    def _is_old(self, read_at: float) -> bool:
        return self._now_s() - read_at > MISSING_S


class CustomAttributes:
    """One request per attribute, so only where the settings ask for them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys: dict[str, int] = {}
        self._reading = asyncio.Lock()

    async def set(self, vm: str, values: Mapping[str, str]) -> tuple[str, ...]:
        """Makes the definitions that are not there. Returns warnings."""
        entity = self._session.of(vim.VirtualMachine, vm)
        manager = self._session.content.customFieldsManager
        try:
            for name, value in sorted(values.items()):
                key = await self._key(name)
                await self._session.call(
                    f'set custom attribute "{name}"',
                    lambda key=key, value=value: manager.SetField(entity, key, value),  # type: ignore[misc]  # mypy cannot infer a lambda's defaults
                )
        except Fault as fault:
            # Read anew next time: somebody may have removed a definition.
            self._keys.clear()
            return (f"The VM was not given all its custom attributes. {fault}",)
        return ()

    async def _key(self, name: str) -> int:
        async with self._reading:
            if name not in self._keys:
                self._keys = await self._read()
            if name not in self._keys:
                self._keys[name] = await self._define(name)
            return self._keys[name]

    async def _read(self) -> dict[str, int]:
        manager = self._session.content.customFieldsManager
        fields = await self._session.call("read custom attributes", lambda: list(manager.field))
        return {one.name: int(one.key) for one in fields if one.managedObjectType in {None, vim.VirtualMachine}}

    async def _define(self, name: str) -> int:
        manager = self._session.content.customFieldsManager
        try:
            made = await self._session.call(
                f'define custom attribute "{name}"',
                lambda: manager.AddCustomFieldDef(name, vim.VirtualMachine, None, None),
            )
        except Fault as fault:
            keys = await self._read() if fault.is_a(vim.fault.DuplicateName) else {}
            if name not in keys:
                raise
            return keys[name]
        return int(made.key)


def _missing(category: str, tag: str) -> str:
    return f'vCenter has no tag "{tag}" in category "{category}", so the VM was not given it: make both in vCenter.'


def _value(answer: Any) -> Any:
    """``/rest`` wraps what it answers."""
    return answer.get("value") if isinstance(answer, Mapping) and "value" in answer else answer
