"""Which address belongs to which instance: at most one over all deployments."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select

from director.adapters.store import tables
from director.adapters.store.encode import from_text
from director.model.record import InstanceRecord
from director.ports.failure import Conflict

ASK_MAX = 500
"""Values in one IN list; the databases' own limits lie above 999."""


def write(connection: Connection, records: Sequence[InstanceRecord]) -> None:
    """Frees what these instances no longer have, then gives them what they now have, so that two may swap.

    ``records`` are of different instances.
    Raises Conflict when another instance holds one of the addresses; dynamic ones (None) are nobody's.
    """
    wanted = _wanted(records)
    held = {row.ip: row.instance for row in _rows(connection, _HELD_BY, (record.id for record in records))}
    gone = [ip for ip, instance in held.items() if ip not in wanted or wanted[ip]["instance"] != instance]
    if gone:
        connection.execute(_FREE, [{"of_ip": ip} for ip in gone])
    fresh = {ip: row for ip, row in wanted.items() if ip in gone or ip not in held}
    if fresh:
        _check_free(connection, fresh)
        connection.execute(_TAKE, list(fresh.values()))


def _wanted(records: Iterable[InstanceRecord]) -> dict[str, dict[str, str]]:
    wanted: dict[str, dict[str, str]] = {}
    owners: dict[str, InstanceRecord] = {}
    for record in records:
        for address in record.addresses:
            if address.ip is None:
                continue
            owner = owners.setdefault(address.ip, record)
            if owner.id != record.id:
                raise taken(address.ip, owner.label, owner.deployment)
            row = {"ip": address.ip, "instance": record.id, "deployment": record.deployment}
            wanted[address.ip] = {**row, "network": address.network}
    return wanted


def _check_free(connection: Connection, fresh: Mapping[str, object]) -> None:
    for row in _rows(connection, _HOLDER_OF, fresh):
        raise taken(row.ip, _label_of(connection, row.instance), row.deployment)


def _label_of(connection: Connection, instance: str) -> str:
    body = connection.execute(_INSTANCE, {"of_id": instance}).scalar()
    return from_text(body, InstanceRecord).label if body is not None else instance


def taken(ip: str, holder: str, deployment: str) -> Conflict:
    """The conflict, in words that name the holder."""
    return Conflict(
        f'Address {ip} belongs to instance {holder} of deployment "{deployment}" already. '
        "Give one of the two another address, or delete the other first."
    )


def _rows(connection: Connection, query: Select[str, str, str], values: Iterable[str]) -> Iterator[Row[str, str, str]]:
    asked = list(values)
    for start in range(0, len(asked), ASK_MAX):
        yield from connection.execute(query, {"values": asked[start : start + ASK_MAX]})


_COLUMNS = (tables.addresses.c.ip, tables.addresses.c.instance, tables.addresses.c.deployment)
_HELD_BY = select(*_COLUMNS).where(tables.addresses.c.instance.in_(bindparam("values", expanding=True)))
_HOLDER_OF = (
    select(*_COLUMNS)
    .where(tables.addresses.c.ip.in_(bindparam("values", expanding=True)))
    .order_by(tables.addresses.c.ip)
)
_INSTANCE = select(tables.instances.c.body).where(tables.instances.c.id == bindparam("of_id"))
_FREE = delete(tables.addresses).where(tables.addresses.c.ip == bindparam("of_ip"))
_TAKE = insert(tables.addresses)
