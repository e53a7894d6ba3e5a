"""Instances and their VMs: lists, changes of state, ignoring, logs (sections 4.5 and 6.2)."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, start_task, user_of
from director.api.ask import INVALID_VALUE, deployment_of, flag, json_of, record_of, text_of, words
from director.api.deployments import overrides_of, source_of
from director.api.services import services_of
from director.model.record import DeploymentRecord, Event, Record, VmRecord
from director.ports.store import AddEvent, PutInstance
from director.reconcile.requests import Deploy, FetchLogs, ListInstances
from director.reconcile.show import expects_vm, instance_brief, is_active
from director.reconcile.target import targets

STATES = ("started", "stopped", "detached", "recreate", "restart")
ACTIONS = {"start": "started", "stop": "stopped", "restart": "restart", "recreate": "recreate"}
LOG_KINDS = ("job", "agent", "system")

INVALID_STATE = 140008
NO_MANIFEST = 440001
LOCKED = 500101
"""Ours: BOSH sets the flag whatever goes on."""


async def list_vms(request: Request) -> Response:
    """At once from the record and the agents' last word; with ``format=full`` as a task."""
    if request.query_params.get("format") == "full":
        return await _list_by_task(request, vms_only=True)
    record = await record_of(request)
    rows = [_row(record, vm, request) for vm in sorted(record.vms, key=lambda v: v.name)]
    return json_answer([row for row in rows if row is not None])


def _row(record: Record, vm: VmRecord, request: Request) -> dict[str, object] | None:
    instance = next((i for i in record.instances if i.id == vm.instance), None)
    if instance is None:
        return None
    brief = instance_brief(instance, vm, services_of(request).agents.seen().get(vm.agent))
    return {**brief, "active": is_active(vm), "permanent_nats_credentials": False}


async def list_instances(request: Request) -> Response:
    if request.query_params.get("format") == "full":
        return await _list_by_task(request, vms_only=False)
    record = await record_of(request)
    seen = services_of(request).agents.seen()
    newest = {vm.instance: vm for vm in sorted(record.vms, key=lambda v: v.generation)}
    rows = []
    for instance in sorted(record.instances, key=lambda i: (i.group, i.index)):
        vm = newest.get(instance.id)
        if not instance.is_compilation:
            brief = instance_brief(instance, vm, seen.get(vm.agent) if vm else None)
            rows.append({**brief, "expects_vm": expects_vm(instance)})
    return json_answer(rows)


async def _list_by_task(request: Request, *, vms_only: bool) -> Response:
    deployment = await deployment_of(request)
    return await start_task(request, ListInstances(deployment=deployment.name, vms_only=vms_only))


def target_of(group: str, which: str = "") -> str:
    """The address's two parts as one name: ``*``, ``group`` or ``group/which``."""
    if group == "*":
        return "*"
    return f"{group}/{which}" if which not in {"", "*"} else group


async def change_state(request: Request) -> Response:
    """A deploy of the stored manifest, or of the one sent, in which the target has another state (4.5)."""
    deployment = await deployment_of(request)
    state = request.query_params.get("state", "")
    if state not in STATES:
        raise Answered(400, INVALID_STATE, f"?state={state}: write one of {', '.join(STATES)}.")
    return await _change(request, deployment, state)


async def act(request: Request) -> Response:
    """``actions/start`` and friends: the same pass, never with another manifest."""
    deployment = await deployment_of(request)
    action = request.path_params["action"]
    state = ACTIONS.get(action)
    if state is None:
        raise Answered(404, INVALID_STATE, f"There is no action {action}; there are {', '.join(ACTIONS)}.")
    is_hard = action == "stop" and flag(request, "hard")
    return await _change(request, deployment, "detached" if is_hard else state)


async def _change(request: Request, deployment: DeploymentRecord, state: str) -> Response:
    text = await text_of(request)
    if deployment.manifest is None and not text.strip():
        raise Answered(400, NO_MANIFEST, f"The first deploy of '{deployment.name}' has not finished. Deploy it again.")
    params = request.path_params
    overrides = overrides_of(request, state=state, target=target_of(params["group"], params.get("instance", "")))
    return await start_task(
        request,
        Deploy(
            deployment=deployment.name,
            manifest=text if text.strip() else None,
            source=source_of(request),
            dry_run=flag(request, "dry_run"),
            overrides=overrides,
        ),
    )


async def ignore(request: Request) -> Response:
    """Sets or clears the flag. While a task changes the deployment it owns the rows, so this must wait."""
    services = services_of(request)
    record = await record_of(request)
    body = await json_of(request)
    is_ignored = body.flag("ignore")
    name = target_of(request.path_params["group"], request.path_params["instance"])
    (instance, *_) = targets(name, record.instances)
    task = services.driver.is_locked(record.deployment.name)
    if task is not None:
        raise Answered(
            409, LOCKED, f"Task {task} is changing '{record.deployment.name}'. Repeat this when it has ended."
        )
    event = Event(
        at=services.clock.now(),
        user=user_of(request),
        action="ignore" if is_ignored else "unignore",
        object_type="instance",
        object_name=f"{instance.group}/{instance.id}",
        deployment=instance.deployment,
        instance=f"{instance.group}/{instance.id}",
    )
    await services.store.commit(PutInstance(record=replace(instance, is_ignored=is_ignored)), AddEvent(event=event))
    return json_answer({})


async def fetch_logs(request: Request) -> Response:
    deployment = await deployment_of(request)
    kinds = words(request, "type") or ("job",)
    wrong = [kind for kind in kinds if kind not in LOG_KINDS]
    if wrong:
        raise Answered(
            400, INVALID_VALUE, f"?type={','.join(wrong)}: write {', '.join(LOG_KINDS)}, or several of them."
        )
    target = target_of(request.path_params["group"], request.path_params["instance"])
    what = FetchLogs(deployment=deployment.name, target=target, kinds=kinds, filters=words(request, "filters"))
    return await start_task(request, what)


async def resurrection_gone(_: Request) -> Response:
    """BOSH took the switch per instance away; so do we (section 6.2)."""
    raise Answered(410, INVALID_STATE, "Resurrection is not set per instance; write a config of type resurrection.")
