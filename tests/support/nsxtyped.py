"""Drives a manager with vcf-nsx's own typed clients, which build the requests and read the answers.

An operation is found by its method and path template in the metadata of the SDK's stubs, so that a test names what the
API's reference names (``PATCH /infra/tier-1s/{}``) and still goes through the SDK's code and types both ways.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.nsxmodels import models, sdk

Sdk = Any
"""Whatever the SDK gives: it has no types of its own."""

POLICY: Final = "/policy/api/v1"


class NoSuchOperation(Exception):
    """The SDK has no operation of that method, template and action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``typed`` is what the SDK made of ``body``, the JSON that came (None when nothing came)."""

    status: int
    body: Any
    typed: Sdk


class Refusal(Exception):
    """The SDK raised one of its errors. ``error`` is it, ``status`` the HTTP status, ``code`` NSX's error_code."""

    def __init__(self, error: Exception, status: int, body: Any) -> None:
        super().__init__(f"{type(error).__name__} {status}: {body}")
        self.error, self.status, self.body = error, status, body
        self.code: int = body.get("error_code", 0) if isinstance(body, dict) else 0
        self.message: str = body.get("error_message", "") if isinstance(body, dict) else ""


class TypedClient:
    """Operations of one manager; ``session`` is the ``requests`` session they go through, to be changed any time."""

    def __init__(self, url: str, session: Sdk, *, security_context: Sdk = None) -> None:
        self.url, self.session = url, session
        connect = sdk("vmware.vapi.lib.connect")
        factories = sdk("vmware.vapi.stdlib.client.factories")
        self._last: Sdk = None
        session.hooks["response"].append(self._note)
        connector = connect.get_requests_connector(session, msg_protocol="rest", url=url, timeout=30)
        if security_context is not None:
            connector.set_security_context(security_context)
        self._config = factories.StubConfigurationFactory.new_runtime_configuration(connector)

    def call(
        self,
        method: str,
        template: str,
        *ids: str,
        body: Mapping[str, Any] | None = None,
        fixed: str = "",
        **query: Any,
    ) -> Answer:
        """Asks ``method`` of ``template`` (``/infra/tier-1s/{}``, ids in order), below the Policy API or ``/api/``.

        ``fixed`` is the query that tells two operations of one template apart (``action=revise``, ``force=true``).
        Raises ``Refusal`` for what the manager refuses and ``NoSuchOperation`` for what the SDK has not.
        """
        operation = _operation(method, template if template.startswith("/api/") else POLICY + template, fixed)
        service = operation.service(self._config)
        arguments: dict[str, Any] = dict(zip(operation.ids, ids, strict=True)) | query
        if body is not None:
            arguments[operation.body] = to_typed(operation.body_model, body)
        errors = sdk("vmware.vapi.bindings.error")
        try:
            typed = getattr(service, operation.name)(**arguments)
        except errors.VapiError as error:
            raise Refusal(error, self._last.status_code, self._body()) from error
        return Answer(status=self._last.status_code, body=self._body(), typed=typed)

    def _note(self, answer: Sdk, **_how: object) -> None:
        self._last = answer

    def _body(self) -> Any:
        return self._last.json() if self._last.content else None


def to_typed(model: str, body: Mapping[str, Any]) -> Sdk:
    """An instance of the SDK's class for a JSON body; of the subtype its ``resource_type`` names where there is one."""
    clean = sdk("vmware.vapi.data.serializers.cleanjson")
    converter = sdk("vmware.vapi.bindings.converter")
    named = body.get("resource_type", model) if not model or model == "VapiStruct" else model
    value = clean.DataValueConverter.convert_to_data_value(json.dumps(body))
    binding = getattr(models(), named).get_binding_type()
    return converter.TypeConverter.convert_to_python(value, binding, None, converter.RestConverter.SWAGGER_REST)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    service: Sdk
    name: str
    ids: tuple[str, ...]
    body: str
    body_model: str


@functools.cache
def _operation(method: str, template: str, fixed: str) -> _Operation:
    found = [
        (service, name, operation, metadata)
        for service, operations, rest in _stubs(_module_of(template))
        for name, metadata in rest.items()
        for operation in [operations[name]]
        if metadata.http_method == method and _matches(metadata._url_template, template, fixed)
    ]
    if not found:
        raise NoSuchOperation(f"{method} {template} {fixed}")
    service, name, operation, metadata = found[0]
    pep = sdk("vmware.vapi.lib.converter").Converter.canonical_to_pep
    by_template = {there: here for here, there in metadata._path_variables.items()}
    ids = tuple(by_template[variable] for variable in re.findall(r"{([^}]+)}", metadata._url_template.split("?")[0]))
    body = metadata.request_body_parameter or ""
    return _Operation(service=service, name=pep(name), ids=ids, body=body, body_model=_model_of(operation, body))


def _matches(there: str, template: str, fixed: str) -> bool:
    path, _, query = there.partition("?")
    return query == fixed and re.sub(r"{[^}]+}", "{}", path) == template


def _model_of(operation: Mapping[str, Sdk], body: str) -> str:
    if not body:
        return ""
    typ = operation["input_type"].get_field(body)
    typ = getattr(typ, "element_type", typ)
    return typ.resolved_type.binding_class.__name__ if hasattr(typ, "resolved_type") else ""


@functools.cache
def _stubs(module: str) -> Sequence[tuple[Sdk, Mapping[str, Sdk], Mapping[str, Sdk]]]:
    """Each service class of a client module with its operations and their REST metadata."""
    stub = sdk("vmware.vapi.bindings.stub")
    factories = sdk("vmware.vapi.stdlib.client.factories")
    connect = sdk("vmware.vapi.lib.connect")
    unconnected = connect.get_requests_connector(
        sdk("requests").Session(), msg_protocol="rest", url="http://127.0.0.1:9"
    )
    config = factories.StubConfigurationFactory.new_runtime_configuration(unconnected)
    services = [
        each
        for each in vars(sdk(module)).values()
        if isinstance(each, type) and issubclass(each, stub.VapiInterface) and each is not stub.VapiInterface
    ]
    interfaces = [(service, service(config)._api_interface) for service in services]
    return [(service, interface._operations, interface._rest_metadata) for service, interface in interfaces]


def _module_of(template: str) -> str:
    """The SDK's layout: ``/infra/tier-1s/{}/nat/{}/nat-rules/{}`` is in ``…infra.tier_1s.nat_client``."""
    base, rest = ("policy.api.v1", template.removeprefix(POLICY)) if template.startswith(POLICY) else ("", template)
    words = [word.replace("-", "_") for word in rest.strip("/").split("/") if not word.startswith("{")]
    return ".".join(["vcf.nsx", *([base] if base else []), *words[:-1]]) + "_client"
