"""Many objects' properties in one request. Blocking; each call is one request, a page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pyVmomi import vim, vmodl

from director.adapters.vsphere.collector import PC, moid_of

PAGE: Final = 500
"""Objects in one answer; vCenter may give fewer."""

_WAYS: Final[Sequence[tuple[str, type, str]]] = (
    ("folder", vim.Folder, "childEntity"),
    ("vms", vim.Datacenter, "vmFolder"),
    ("hosts", vim.Datacenter, "hostFolder"),
    ("datastores", vim.Datacenter, "datastoreFolder"),
    ("networks", vim.Datacenter, "networkFolder"),
    ("members", vim.ComputeResource, "host"),
    ("root pool", vim.ComputeResource, "resourcePool"),
    ("pools", vim.ResourcePool, "resourcePool"),
)
"""How to get from a folder, datacenter, cluster or pool to all below it."""


def retrieve(
    collector: Any, kind: type, paths: Sequence[str], objects: Sequence[Any] | None, under: Any, token: str | None
) -> tuple[dict[str, Mapping[str, Any]], str | None]:
    """One page, and the token of the next. Raises pyVmomi's faults."""
    if token is not None:
        answer = collector.ContinueRetrievePropertiesEx(token=token)
    else:
        starts = [PC.ObjectSpec(obj=one, skip=False) for one in objects] if objects is not None else [_below(under)]
        if not starts:
            return {}, None
        spec = PC.FilterSpec(
            objectSet=starts,
            propSet=[PC.PropertySpec(type=kind, all=False, pathSet=list(paths))],
            reportMissingObjectsInResults=True,
        )
        answer = collector.RetrievePropertiesEx(specSet=[spec], options=PC.RetrieveOptions(maxObjects=PAGE))
    if answer is None:
        return {}, None
    return {moid_of(each.obj): _values(each) for each in answer.objects if not _is_gone(each)}, answer.token


def _below(start: Any) -> Any:
    names = [PC.SelectionSpec(name=name) for name, _, _ in _WAYS]
    ways = [
        PC.TraversalSpec(name=name, type=kind, path=path, skip=False, selectSet=names) for name, kind, path in _WAYS
    ]
    return PC.ObjectSpec(obj=start, skip=False, selectSet=ways)


def _values(found: Any) -> Mapping[str, Any]:
    for missing in found.missingSet:
        # A session that ended may show only here, as a property that could not be read.
        if isinstance(missing.fault, vim.fault.NotAuthenticated):
            raise missing.fault
    return {each.name: each.val for each in found.propSet}


def _is_gone(found: Any) -> bool:
    return any(isinstance(missing.fault, vmodl.fault.ManagedObjectNotFound) for missing in found.missingSet)
