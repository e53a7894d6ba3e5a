"""vcf-nsx's typed clients, with every answer held to the official models as well."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import requests

from tests.support.nsxmodels import enum_of, models, problems_of
from tests.support.nsxsim import Nsxsim
from tests.support.nsxtyped import Answer, Refusal, TypedClient

ERROR_FIELDS: Final = {
    "httpStatus": str,
    "error_code": int,
    "module_name": str,
    "error_message": str,
    "details": str,
    "error_data": dict,
    "related_errors": list,
}


class CheckedClient(TypedClient):
    """A call whose answer or error departs from the models fails the test that made it."""

    def call(self, method: str, template: str, *ids: str, **arguments: Any) -> Answer:
        try:
            answer = super().call(method, template, *ids, **arguments)
        except Refusal as refusal:
            check_refusal(refusal)
            raise
        if answer.body is not None:
            check(answer)
        return answer


def check(answer: Answer) -> None:
    """The JSON that came has no field, type or value its model has not, and the SDK can make its class of it.

    Of one of several kinds (a monitor, a subnet) the SDK gives the kind's base or nothing; the body says which it is.
    """
    model = type(answer.typed).__name__
    kind = answer.body.get("resource_type", model)
    if model == "VapiStruct" or kind in enum_of(model, "resource_type"):
        typed = answer.typed.convert_to(getattr(models(), kind))
        assert type(typed).__name__ == kind
        model = kind
    problems = problems_of(model, answer.body)
    assert problems == [], problems


def check_refusal(refusal: Refusal) -> None:
    """The SDK knew the error for one of its own, and the body has the shape that clients look into."""
    assert type(refusal.error).__name__ == "ApiError", refusal
    check_error(refusal.body)


def check_error(body: Any, depth: int = 0) -> None:
    """The error body's shape (reference 5.4), related errors included."""
    assert isinstance(body, dict), body
    for name, value in body.items():
        assert isinstance(value, ERROR_FIELDS[name]), (name, value)
    assert {"error_code", "module_name", "error_message"} <= body.keys(), body
    for related in body.get("related_errors", ()):
        assert depth < 3, body
        check_error(related, depth + 1)


@contextlib.contextmanager
def basic(nsx: Nsxsim, manager: int = 0) -> Iterator[CheckedClient]:
    """A client that sends the name and password with each call."""
    with requests.Session() as session:
        session.auth = (nsx.user, nsx.password)
        session.verify, session.trust_env = False, False
        yield CheckedClient(nsx.urls[manager], session)
