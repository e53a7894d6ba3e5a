"""Checks a job's properties against the ``properties_schema.json`` it may ship (bosh-director.md section 1.7)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from director.adapters.templates.fault import Fault
from director.model.release import Job
from director.model.tree import Node

CERTIFICATE_KEYS = {"ca", "certificate", "private_key"}
ANNOTATIONS_SHOWN = 120


def schema_faults(job: Job, properties: Node) -> list[Fault]:
    """One fault for each property that breaks the schema. Never shows a value: it may be a secret."""
    if job.properties_schema is None:
        return []
    if not isinstance(job.properties_schema, Mapping):
        return [Fault(reason="it is no JSON Schema", fix="correct the job's properties_schema.json.")]
    schema = dict(job.properties_schema)
    try:
        _class().check_schema(schema)
    except SchemaError as error:
        return [Fault(reason=f"the schema itself is wrong: {error.message}", fix="correct the job's schema.")]
    errors = _class()(schema).iter_errors(properties)
    return [
        _fault(job, error) for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path])
    ]


def _fault(job: Job, error: ValidationError) -> Fault:
    name = ".".join(str(part) for part in error.absolute_path)
    rule = f"{error.validator}: {error.validator_value!r}"[:ANNOTATIONS_SHOWN]
    what = f'property "{name}"' if name else "the properties"
    return Fault(
        reason=f'{what} of job "{job.name}" must satisfy {rule}',
        fix=f'correct "{name}" under the properties of job "{job.name}".',
    )


@lru_cache(maxsize=1)
def _class() -> type[Validator]:
    checker = Draft202012Validator.TYPE_CHECKER.redefine("certificate", _is_certificate)
    extended: type[Validator] = extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    return extended


def _is_certificate(_: object, value: Any) -> bool:
    return isinstance(value, dict) and set(value) >= CERTIFICATE_KEYS
