"""Types of every identifier. A name is a string that only its own kind of place accepts."""

from typing import NewType

DeploymentName = NewType("DeploymentName", str)
GroupName = NewType("GroupName", str)
AzName = NewType("AzName", str)
NetworkName = NewType("NetworkName", str)
JobName = NewType("JobName", str)
PackageName = NewType("PackageName", str)
ReleaseName = NewType("ReleaseName", str)
VariableName = NewType("VariableName", str)

InstanceId = NewType("InstanceId", str)
"""Permanent uuid of one instance; survives every VM it ever had."""

AgentId = NewType("AgentId", str)
"""Uuid of one generation of one instance: a replaced VM's agent has another id than its successor's."""

VmName = NewType("VmName", str)
"""Name decided in the plan and written down before the VM is created; how it is found again after a crash."""

VmCid = NewType("VmCid", str)
"""The infrastructure's own identifier of a VM, known only once it exists."""

DiskName = NewType("DiskName", str)
DiskCid = NewType("DiskCid", str)
StemcellCid = NewType("StemcellCid", str)

BlobId = NewType("BlobId", str)
Digest = NewType("Digest", str)
"""``sha256:hex``, a bare 40-digit sha1, or several joined by ``;`` as BOSH writes them."""

PlanId = NewType("PlanId", str)
TaskId = NewType("TaskId", int)
StepKey = NewType("StepKey", str)
"""``subject:verb``, unique in its plan and stable between plans made from the same input."""

ObjectId = NewType("ObjectId", str)
"""Id of a network object, made from the director's uuid and our names: the same whenever it is asked for."""

StackName = NewType("StackName", str)
"""``network/name/subnet``, ``group/deployment/group`` or ``config/name``: unique in a director."""
