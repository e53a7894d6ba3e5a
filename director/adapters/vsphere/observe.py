"""Waits until one object of vCenter is so, told by vCenter. For the rare things the session's watch does not follow.

Note: a collector for each wait. The watch follows tasks and VMs, for ever; a lease or a template somebody else copies
is of interest for a moment. A property collector of its own ends with the wait and takes nobody's updates.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from pyVmomi import vmodl

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.session import Session
from director.ports.failure import Retry

ONE_WAIT_S: Final = 20
"""Then vCenter answers that nothing happened, and is asked again: each wait holds one of the session's connections."""


async def observe(
    session: Session,
    what: str,
    thing: Any,
    paths: Sequence[str],
    is_so: Callable[[Mapping[str, Any]], bool],
    *,
    timeout_s: float,
) -> Mapping[str, Any] | None:
    """The properties at ``paths`` once they are so; None once ``thing`` is gone. Unset ones are missing.

    Raises Fault, also when it is not so in time.
    """
    make = session.content.propertyCollector.CreatePropertyCollector
    collector = await session.call(what, make)
    try:
        async with asyncio.timeout(timeout_s):
            return await _follow(session, what, collector, thing, paths, is_so)
    except TimeoutError as error:
        raise Fault(f"{what}: not done after {timeout_s:.0f} s.", retry=Retry.BOUNDED) from error
    finally:
        await session.call(what, collector.Destroy)


async def _follow(
    session: Session,
    what: str,
    collector: Any,
    thing: Any,
    paths: Sequence[str],
    is_so: Callable[[Mapping[str, Any]], bool],
) -> Mapping[str, Any] | None:
    query = vmodl.query.PropertyCollector
    wanted = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=thing)],
        propSet=[query.PropertySpec(type=type(thing), pathSet=list(paths))],
    )
    await session.call(what, lambda: collector.CreateFilter(wanted, False))
    options = query.WaitOptions(maxWaitSeconds=ONE_WAIT_S)
    version, values = "", dict[str, Any]()
    while True:
        ask = partial(collector.WaitForUpdatesEx, version, options)
        update = await session.call(what, ask, timeout_s=ONE_WAIT_S + 30.0)
        if update is None:
            continue
        version = update.version
        if not _take(update, values):
            return None
        if is_so(values):
            return values


def _take(update: Any, values: dict[str, Any]) -> bool:
    """Whether the object is still there."""
    for change in (one for filter_set in update.filterSet or () for one in filter_set.objectSet or ()):
        if change.kind == "leave" or any(_is_gone(missing) for missing in change.missingSet or ()):
            return False
        for prop in change.changeSet or ():
            if prop.op in {"assign", "add"} and prop.val is not None:
                values[prop.name] = prop.val
            else:
                values.pop(prop.name, None)
    return True


def _is_gone(missing: Any) -> bool:
    return isinstance(missing.fault.fault, vmodl.fault.ManagedObjectNotFound)
