"""Small answers: the resurrection switch, lists that are empty by nature, and what is not built yet, said plainly."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import json_answer, not_built, user_of
from director.api.ask import deployment_of, json_of
from director.api.services import services_of
from director.model.record import Event
from director.ports.store import AddEvent, PutSetting
from director.reconcile.resurrection import SETTING

RESURRECTION = SETTING
"""The setting's name in the store; its value is ``{"paused": true|false}``."""


async def show_resurrection(request: Request) -> Response:
    setting = await services_of(request).store.setting(RESURRECTION)
    return json_answer({"resurrection": not (setting or {}).get("paused", False)})


async def change_resurrection(request: Request) -> Response:
    paused = (await json_of(request)).flag("resurrection_paused")
    services = services_of(request)
    event = Event(
        at=services.clock.now(),
        user=user_of(request),
        action="pause" if paused else "resume",
        object_type="resurrection",
        object_name="director",
    )
    await services.store.commit(PutSetting(name=RESURRECTION, value={"paused": paused}), AddEvent(event=event))
    return json_answer({})


async def empty_list(_: Request) -> Response:
    """Orphaned VMs are not kept, they are deleted; nothing here expires that anybody must renew."""
    return json_answer([])


async def empty_list_of_deployment(request: Request) -> Response:
    """The same, for a deployment that must exist: snapshots, certificates near their end."""
    await deployment_of(request)
    return json_answer([])


async def snapshots(_: Request) -> Response:
    raise not_built("snapshots")


async def ssh(request: Request) -> Response:
    await deployment_of(request)
    raise not_built("ssh")


async def links(_: Request) -> Response:
    raise not_built("the links API")


async def attach_disk(_: Request) -> Response:
    raise not_built("attaching of disks by hand")


async def delete_vm(_: Request) -> Response:
    raise not_built("deletion of single VMs; recreate the instance instead")
