"""How the director's set-up is. Ours; BOSH has no such request."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import json_answer
from director.api.services import services_of


async def show_doctor(request: Request) -> Response:
    """``GET /doctor``: everything looked at, well or not, in the order to put it right."""
    found = await services_of(request).examine()
    rows = [
        {"subject": one.subject, "is_well": one.is_well, "detail": one.detail, "fix": "" if one.is_well else one.fix}
        for one in found
    ]
    return json_answer({"findings": rows})
