"""Finds the instances an operator names: ``*``, ``group``, ``group/index``, ``group/uuid``, ``group/first``."""

from collections.abc import Iterable

from director.model.names import InstanceId
from director.model.problem import Problem, Refused
from director.model.record import InstanceRecord


def targets(name: str, instances: Iterable[InstanceRecord]) -> tuple[InstanceRecord, ...]:
    """Those named, by index. Raises Refused when none is: doing nothing quietly is no answer (appendix D.4)."""
    known = sorted((i for i in instances if not i.is_compilation), key=lambda i: (i.group, i.index))
    group, _, which = name.partition("/")
    of_group = [i for i in known if group in {"*", "", i.group}]
    found = [i for i in of_group if which in {"", "*", i.id, str(i.index)} or (which == "first" and i == of_group[0])]
    if not found:
        raise Refused([_unknown(name, known)])
    return tuple(found)


def _unknown(name: str, known: list[InstanceRecord]) -> Problem:
    groups = ", ".join(sorted({i.group for i in known}))
    return Problem(
        code="target.unknown",
        summary="Unknown instance",
        detail=f'Nothing here is called "{name}".' if known else "This deployment has no instances.",
        fix=f"name one of: {groups}, or an instance of one as group/index or group/uuid." if known else "deploy it.",
        number=70001,
    )


def ids_of(names: Iterable[str], instances: Iterable[InstanceRecord]) -> frozenset[InstanceId]:
    """All instances named by any of ``names``."""
    known = tuple(instances)
    return frozenset(instance.id for name in names for instance in targets(name, known))
