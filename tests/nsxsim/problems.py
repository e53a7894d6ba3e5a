"""What a manager says when it refuses: one exception, the body it becomes, and the refusals that come up everywhere.

Clients key on (status, error_code) and look into related_errors, so both are exact; the words are ours.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

Json = dict[str, Any]

STATUS_NAMES: Final[Mapping[int, str]] = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    412: "PRECONDITION_FAILED",
    413: "PAYLOAD_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}


class Refusal(Exception):
    """A request the manager refuses. `code` is NSX's error_code; `related` are refusals that say more."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        module: str = "policy",
        details: str = "",
        related: Iterable["Refusal"] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status}/{code}: {message}")
        self.status, self.code, self.message, self.module, self.details = status, code, message, module, details
        self.related = tuple(related)
        self.headers = dict(headers or {})

    def body(self) -> Json:
        """The error body as NSX shapes it; `details` and `related_errors` only when there are some."""
        said: Json = {
            "httpStatus": STATUS_NAMES.get(self.status, str(self.status)),
            "error_code": self.code,
            "module_name": self.module,
            "error_message": self.message,
        }
        if self.details:
            said["details"] = self.details
        if self.related:
            said["related_errors"] = [each.body() for each in self.related]
        return said


def absent(path: str) -> Refusal:
    """404/600: no object at this path."""
    return Refusal(404, 600, f"No object is found at path=[{path}]. Identifiers are case sensitive.")


def no_such_url(path: str) -> Refusal:
    return Refusal(404, 404, f"No resource answers at {path}", module="common-services")


def not_allowed(method: str, path: str) -> Refusal:
    return Refusal(405, 405, f"{method} is not supported at {path}", module="common-services")


def invalid(message: str, *, code: int = 500013, field: str = "") -> Refusal:
    """400: the body breaks a rule; `field` is where."""
    return Refusal(400, code, f"Field {field}: {message}" if field else message)


def unknown_field(type_name: str, field: str) -> Refusal:
    """400/220: a property the type does not have."""
    return Refusal(
        400, 220, f"Unrecognized field '{field}' for {type_name}", module="common-services", details=f"field: {field}"
    )


def bad_path(path: str, field: str) -> Refusal:
    """400/500012: a reference to what does not exist or is the wrong thing."""
    return Refusal(400, 500012, f"The path=[{path}] is invalid", details=f"field: {field}")


def in_use(path: str, users: Iterable[str]) -> Refusal:
    """400/500030: has children or is referenced; names them."""
    named = ",".join(sorted(users))
    return Refusal(
        400,
        500030,
        f"The object path=[{path}] cannot be deleted: it has children or is being referenced by other objects "
        f"path=[{named}].",
    )


def ports_left(path: str, ports: Iterable[str]) -> Refusal:
    """400/503040: a segment with ports or VMs."""
    named = ",".join(sorted(ports))
    return Refusal(400, 503040, f"Segment path=[{path}] still has ports or VMs attached: [{named}]")


def pending_delete(path: str) -> Refusal:
    """400/500045: the same path is being deleted."""
    return Refusal(400, 500045, f"The object path=[{path}] is marked for deletion; create it again once it is gone.")


def overlap(message: str) -> Refusal:
    return Refusal(400, 500105, message)
