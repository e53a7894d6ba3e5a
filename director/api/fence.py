"""A person's word that an instance's VM is dead, given and taken back. Ours; BOSH has no such request."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, user_of
from director.api.ask import json_of, record_of
from director.api.instances import INVALID_STATE, target_of
from director.api.services import services_of
from director.model.fence import Fence, fence_in, fence_name
from director.model.record import Event, InstanceRecord, Record, VmRecord
from director.ports.agents import Agents
from director.ports.store import AddEvent, DropSetting, PutSetting
from director.reconcile.target import targets

NO_WORDS = "No reason was given."
WORDS_MAX = 500


async def fence(request: Request) -> Response:
    """``{"fence": true, "words": why}`` gives it, ``{"fence": false}`` takes it back. Answers with the VM's name.

    Also while a task runs: it may be that very VM which the task cannot delete.
    """
    record = await record_of(request)
    name = target_of(request.path_params["group"], request.path_params["instance"])
    (instance, *others) = targets(name, record.instances)
    if others:
        raise Answered(400, INVALID_STATE, f"{name} names {len(others) + 1} instances. Fence one at a time.")
    vm = _vm_of(record, instance)
    body = await json_of(request)
    if body.flag("fence"):
        await _give(request, vm, instance, body.text("words", "").strip() or NO_WORDS)
    else:
        await _take_back(request, vm, instance)
    return json_answer({"vm": vm.name, "cid": vm.cid, "is_fenced": body.flag("fence")})


async def _give(request: Request, vm: VmRecord, instance: InstanceRecord, words: str) -> None:
    services = services_of(request)
    if _is_connected(services.agents, vm):
        detail = f"The agent on VM {vm.name} of {instance.label} is connected, so the VM is not dead."
        raise Answered(409, INVALID_STATE, f"{detail} To have another VM, recreate {instance.label}.")
    if len(words) > WORDS_MAX:
        raise Answered(400, INVALID_STATE, f"The reason has {len(words)} characters; at most {WORDS_MAX} fit.")
    given = Fence(by=user_of(request), at=services.clock.now(), words=words)
    event = _event(request, "fence", vm, instance, words)
    await services.store.commit(PutSetting(name=fence_name(vm.name), value=given.to_tree()), AddEvent(event=event))


async def _take_back(request: Request, vm: VmRecord, instance: InstanceRecord) -> None:
    services = services_of(request)
    if fence_in(await services.store.setting(fence_name(vm.name)), vm) is None:
        raise Answered(400, INVALID_STATE, f"VM {vm.name} of {instance.label} is not fenced.")
    event = _event(request, "unfence", vm, instance)
    await services.store.commit(DropSetting(name=fence_name(vm.name)), AddEvent(event=event))


def _vm_of(record: Record, instance: InstanceRecord) -> VmRecord:
    """The newest: former ones are on their way out already."""
    vm = max(record.vms_of(instance.id), key=lambda one: one.generation, default=None)
    if vm is None:
        raise Answered(400, INVALID_STATE, f"{instance.label} has no VM, so there is nothing to take for dead.")
    return vm


def _event(request: Request, action: str, vm: VmRecord, instance: InstanceRecord, words: str = "") -> Event:
    return Event(
        at=services_of(request).clock.now(),
        user=user_of(request),
        action=action,
        object_type="vm",
        object_name=vm.name,
        deployment=instance.deployment,
        instance=f"{instance.group}/{instance.id}",
        context={"words": words} if words else {},
    )


def _is_connected(agents: Agents, vm: VmRecord) -> bool:
    seen = agents.seen().get(vm.agent)
    return seen is not None and seen.is_connected
