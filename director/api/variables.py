"""Names of generated values, and forgetting one (section 6.2). Values themselves never leave through here."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import Answered, json_answer, nothing, user_of
from director.api.ask import deployment_of
from director.api.services import services_of
from director.model.names import VariableName
from director.model.record import Event
from director.ports.store import AddEvent

VARIABLE_NOT_FOUND = 100002


async def list_variables(request: Request) -> Response:
    deployment = await deployment_of(request)
    names = await services_of(request).secrets.names(deployment.name)
    return json_answer([{"id": number, "name": name} for number, name in names])


async def forget_variable(request: Request) -> Response:
    """Ours: the next deploy generates it anew."""
    services = services_of(request)
    deployment = await deployment_of(request)
    name = VariableName(request.path_params["name"])
    if all(known != name for _, known in await services.secrets.names(deployment.name)):
        raise Answered(404, VARIABLE_NOT_FOUND, f"'{deployment.name}' has no generated variable '{name}'.")
    await services.secrets.forget(deployment.name, name)
    event = Event(
        at=services.clock.now(),
        user=user_of(request),
        action="delete",
        object_type="variable",
        object_name=name,
        deployment=deployment.name,
    )
    await services.store.commit(AddEvent(event=event))
    return nothing()
