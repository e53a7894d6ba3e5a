"""vCenter's faults in words an operator can act on. Decides what is worth trying again; tries nothing itself.

The table goes by fault class, the nearest one up the family first (agent-cpi-vsphere.md 3.12).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final

from pyVmomi import vim, vmodl

from director.ports.failure import InfrastructureFailure, Retry


class Fault(InfrastructureFailure):
    """``fault`` is vCenter's own (vim or vmodl), None when the connection or the REST interface failed instead.

    ``is_reply_lost``: the request went out and no answer came back, so what it asked for may have happened.
    ``status`` is the HTTP status of a refused REST call.
    """

    def __init__(
        self,
        message: str,
        *,
        fault: Exception | None = None,
        is_reply_lost: bool = False,
        status: int | None = None,
        retry: Retry | None = None,
    ) -> None:
        super().__init__(message, retry=retry)
        self.fault = fault
        self.is_reply_lost = is_reply_lost
        self.status = status

    def given_up(self) -> "Fault":
        """The same, after as many tries as the budget has: whoever asked need not try again, unless to find out."""
        retry = self.retry if self.is_reply_lost else Retry.NEVER
        return Fault(str(self), fault=self.fault, is_reply_lost=self.is_reply_lost, status=self.status, retry=retry)

    def is_a(self, *kinds: type) -> bool:
        """Whether vCenter's own fault is of one of these classes."""
        return isinstance(self.fault, kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """``says`` stands in when vCenter gives no words; both may name a fault's fields in braces."""

    do: str
    says: str = ""
    retry: Retry = Retry.NEVER


_AGAIN: Final = "Nothing was changed; the same again may work in a moment"

ADVICE: Final[Mapping[type, Advice]] = {
    vim.fault.InvalidLogin: Advice(
        says="the user name or password is wrong",
        do="Correct user and password in the infrastructure's properties",
    ),
    vim.fault.NoPermission: Advice(
        says="the director's account lacks the privilege {privilegeId} on {object}",
        do="Give the director's account the privilege {privilegeId} on {object} (`director doctor` lists all it lacks)",
    ),
    vim.fault.NotAuthenticated: Advice(
        says="the session has ended", do="The director logs in again by itself; try again", retry=Retry.SOON
    ),
    vim.fault.DuplicateName: Advice(
        says='something named "{name}" is there already',
        do='Rename or remove what is named "{name}" there',
    ),
    vim.fault.NoDiskSpace: Advice(
        says="datastore {datastore} is full",
        do="Free space there or allow another datastore, then deploy again: places are chosen anew",
    ),
    vim.fault.InsufficientStorageSpace: Advice(
        says="there is not enough space on the datastore",
        do="Free space there or allow another datastore, then deploy again: places are chosen anew",
    ),
    vim.fault.InsufficientResourcesFault: Advice(
        says="the cluster or resource pool has not enough left",
        do="Free memory or CPU there, lower what is asked for, or add a cluster to the AZ, then deploy again",
    ),
    vim.fault.InaccessibleDatastore: Advice(
        says="datastore {name} cannot be reached from the host",
        do="Connect the datastore to the host again, or take it out of the datastore pattern",
        retry=Retry.BOUNDED,
    ),
    vim.fault.InvalidDatastore: Advice(
        says="the datastore {name} is gone or cannot be used",
        do="Deploy again: places are chosen anew",
        retry=Retry.BOUNDED,
    ),
    vim.fault.FileAlreadyExists: Advice(
        says="the file {file} exists already", do="Move or remove {file} if nothing uses it"
    ),
    vim.fault.FileNotFound: Advice(
        says="the file {file} does not exist",
        do="Somebody moved or removed it; `director drift` shows what else differs from the record",
    ),
    vim.fault.FileLocked: Advice(
        says="the file {file} is in use by another VM or host",
        do="Detach it there; a host that went away keeps its lock for some minutes",
        retry=Retry.BOUNDED,
    ),
    vim.fault.CannotAccessFile: Advice(
        says="the file {file} cannot be read", do="Look at that datastore in vCenter", retry=Retry.BOUNDED
    ),
    vim.fault.InvalidPowerState: Advice(
        says="the VM is {existingState}", do="Somebody else changed its power; try again", retry=Retry.SOON
    ),
    vim.fault.TaskInProgress: Advice(
        says="another task is at work on it", do="Try again when that task has ended", retry=Retry.SOON
    ),
    vim.fault.ConcurrentAccess: Advice(says="somebody else changed it first", do=_AGAIN, retry=Retry.SOON),
    vim.fault.ResourceInUse: Advice(says="{name} is in use", do="Free it, then try again", retry=Retry.BOUNDED),
    vim.fault.Timedout: Advice(says="vCenter gave up waiting", do=_AGAIN, retry=Retry.SOON),
    vim.fault.HostConnectFault: Advice(
        says="the host does not answer vCenter", do="Look at that host in vCenter", retry=Retry.BOUNDED
    ),
    vmodl.fault.HostNotConnected: Advice(
        says="the host is not connected",
        do="Connect it again, or deploy again to have another chosen",
        retry=Retry.BOUNDED,
    ),
    vim.fault.ToolsUnavailable: Advice(
        says="VMware Tools do not run in the VM", do="Use a template that has open-vm-tools"
    ),
    vim.fault.AlreadyUpgraded: Advice(says="the hardware version is as new already", do="Nothing needs doing"),
    vim.fault.InvalidName: Advice(says='"{name}" is no name for vCenter', do="Choose another name"),
    vim.fault.VmConfigFault: Advice(
        says="the host refused the VM's configuration",
        do="See the VM's events in vCenter; then deploy again: places are chosen anew",
    ),
    vim.fault.RestrictedVersion: Advice(
        says="the licence of this vCenter or host does not allow it", do="Assign a licence that does"
    ),
    vim.fault.InvalidFolder: Advice(says="the folder is gone or not for VMs", do="Check the folders in the properties"),
    vim.fault.NotFound: Advice(says="it was not found", do="Deploy again; what is gone is looked for anew"),
    vmodl.fault.ManagedObjectNotFound: Advice(
        says="it is gone from vCenter", do="Deploy again; what is gone is looked for anew", retry=Retry.BOUNDED
    ),
    vmodl.fault.HostCommunication: Advice(says="vCenter cannot reach the host", do=_AGAIN, retry=Retry.SOON),
    vmodl.fault.SystemError: Advice(
        says="vCenter failed inside", do="Try again; if it stays, see vCenter's log vpxd.log", retry=Retry.BOUNDED
    ),
    vmodl.fault.RequestCanceled: Advice(
        says="the task was cancelled", do="Somebody cancelled it in vCenter; try again", retry=Retry.BOUNDED
    ),
    vmodl.fault.MethodNotFound: Advice(
        says="this vCenter does not know {method}", do="Use a vCenter of version 7.0 or newer"
    ),
    vmodl.fault.NotSupported: Advice(says="vCenter does not support it here", do="See this object's limits in vCenter"),
    vmodl.fault.InvalidArgument: Advice(
        says="vCenter does not take the value of {invalidProperty}",
        do="Check the cloud_properties and the infrastructure's properties that lead to it",
    ),
    vmodl.MethodFault: Advice(says="", do="See the object's tasks and events in vCenter", retry=Retry.BOUNDED),
}

TRANSIENT: Final = (
    vim.fault.TaskInProgress,
    vim.fault.ConcurrentAccess,
    vim.fault.Timedout,
    vmodl.fault.HostCommunication,
)
"""Refused before anything was done, for a reason that passes by itself: the same call may go out again."""


def fault_of(what: str, fault: Exception) -> Fault:
    """``what`` was tried (``cloning VM web-1``), and vCenter answered or a task ended with ``fault``."""
    advice = advice_on(fault)
    words = f"{what}: {_words(fault, advice)}. {_fill(advice.do, fault)}."
    return Fault(words, fault=fault, retry=advice.retry)


def lost(what: str, host: str, error: OSError | HTTPException, *, is_sent: bool) -> Fault:
    """The connection failed: while nothing had gone out yet, or with the answer outstanding (``is_sent``)."""
    reason = str(error) or type(error).__name__
    if is_sent:
        words = (
            f"{what}: the connection to vCenter {host} was lost before it answered ({reason}). It may have been done"
        )
        return Fault(f"{words}; doing it again finds out.", is_reply_lost=True, retry=Retry.SOON)
    words = f"{what}: vCenter {host} cannot be reached ({reason}). Check its address, the network and its service"
    return Fault(f"{words}; once it is back, the same again goes on where this stopped.", retry=Retry.SOON)


def unreadable(what: str, host: str, error: Exception) -> Fault:
    """An answer came that the library cannot read, so nobody knows what it says."""
    words = f"{what}: vCenter {host} answered what cannot be read ({error}). It may have been done"
    return Fault(f"{words}; see the object's tasks in vCenter.", is_reply_lost=True, retry=Retry.BOUNDED)


def advice_on(fault: Exception) -> Advice:
    return next((ADVICE[kind] for kind in type(fault).__mro__ if kind in ADVICE), ADVICE[vmodl.MethodFault])


def _words(fault: Exception, advice: Advice) -> str:
    """The words of vCenter if it has any, and ours where they say more."""
    name = type(fault).__name__.rpartition(".")[2]
    own = str(getattr(fault, "msg", None) or "").strip().rstrip(".")
    details = [entry.message for entry in getattr(fault, "faultMessage", None) or () if entry.message]
    # A fault's class name is all that some servers give for words.
    said = "" if own.rpartition(".")[2] == name else own
    ours = _fill(advice.says, fault)
    parts = [part for part in (said, "" if said else ours, *details) if part]
    return "; ".join([*dict.fromkeys(parts)]) or name


_UNSAID: Final = {"privilegeId": "that it needs", "object": "that object"}
"""What stands for a field that vCenter leaves out, where the usual word would break the sentence."""


class _Fields(dict[str, str]):
    def __init__(self, fault: Exception) -> None:
        super().__init__()
        self._fault = fault

    def __missing__(self, name: str) -> str:
        value = getattr(self._fault, name, None)
        return str(getattr(value, "_moId", value) or _UNSAID.get(name, "(unnamed)"))


def _fill(text: str, fault: Exception) -> str:
    return text.format_map(_Fields(fault))
