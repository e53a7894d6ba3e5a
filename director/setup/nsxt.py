"""What an NSX-T has to choose from, and whether what was chosen will do. Reads only."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from director.adapters.nsxt import NsxtFabric
from director.adapters.nsxt.client import Kind, NsxClient, NsxFault
from director.adapters.nsxt.client.login import NsxLogin
from director.adapters.nsxt.settings import read_settings
from director.model.tree import Tree
from director.ports.fabric import FabricFailure
from director.setup.certificate import shown
from director.setup.unusable import Unusable

OLDEST: Final = (3, 0)
"""Before it the Policy API lacks parts that are used here."""
POINT: Final = "/infra/sites/default/enforcement-points/default"
PERSON_S: Final = 10.0
"""Somebody waits to hear whether a manager is there; a deploy is more patient with one that is away."""
NOWHERE: Final = "setup"
"""Stands in for a director's uuid: nothing is written, so nothing is tagged with it."""


async def look(question: Mapping[str, Any]) -> dict[str, Any]:
    """Tier-0s, edge clusters, transport zones, address blocks and pools, by name. ``properties`` are those of ``nsxt``.

    Raises Unusable, and Refused when the properties are wrong in themselves.
    """
    login = read_settings(question["properties"]).login
    async with _client(login) as client:
        version = str((await client.get("/api/v1/node/version", timeout_s=PERSON_S)).get("node_version", ""))
        lists = {
            "tier0s": await client.list("/infra/tier-0s"),
            "edge_clusters": await client.list(f"{POINT}/edge-clusters"),
            "transport_zones": await client.list(f"{POINT}/transport-zones"),
            "ip_blocks": await client.list("/infra/ip-blocks"),
            "ip_pools": await client.list("/infra/ip-pools"),
        }
    return {
        "about": f"NSX {version}".strip(),
        "warnings": _warnings(version),
        **{key: sorted((_row(one) for one in found), key=lambda row: row["name"]) for key, found in lists.items()},
    }


async def check(question: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that serving as a fabric needs. Raises Unusable and Refused as ``look`` does."""
    fabric = NsxtFabric(question["properties"], director_uuid=NOWHERE)
    try:
        found = await fabric.diagnose()
    except FabricFailure as failure:
        raise Unusable(str(failure), "") from failure
    finally:
        await fabric.close()
    return {
        "findings": [
            {"subject": one.subject, "is_well": one.is_well, "detail": one.detail, "fix": one.fix} for one in found
        ]
    }


@asynccontextmanager
async def _client(login: NsxLogin) -> AsyncIterator[NsxClient]:
    """Every fault within becomes Unusable, in NSX's words and with what to do."""
    client: NsxClient | None = None
    try:
        client = NsxClient(login)
        yield client
    except NsxFault as fault:
        raise await _unusable(login, fault) from fault
    finally:
        if client is not None:
            await client.close()


async def _unusable(login: NsxLogin, fault: NsxFault) -> Unusable:
    if fault.kind is Kind.CERTIFICATE and login.is_verified:
        return await _untrusted(login, fault)
    if fault.kind is Kind.CREDENTIALS:
        fix = "Check --user and the password; several wrong ones lock an account for a while."
        return Unusable(f"NSX does not let {login.user or 'the client certificate'} in: {fault.said}.", fix)
    if fault.kind is Kind.UNREACHABLE:
        hosts = ", ".join(login.managers)
        return Unusable(f"{hosts} cannot be reached: {fault.said}.", "Check --host, and the way to its port.")
    if fault.kind is Kind.UNREADABLE:
        fix = "Give the address of an NSX manager, without a path."
        return Unusable(f"{', '.join(login.managers)} does not answer as NSX does: {fault.said}.", fix)
    return Unusable(str(fault), "")


async def _untrusted(login: NsxLogin, fault: NsxFault) -> Unusable:
    seen = [(url, *await shown(*_address(url))) for url in login.urls]
    certificates = [
        {"host": urlsplit(url).netloc, "fingerprint": print_, "pem": pem} for url, pem, print_ in seen if pem
    ]
    told = "".join(f"\n  {one['host']}: SHA-256 {one['fingerprint']}" for one in certificates)
    fix = (
        "Compare with what a manager shows at its console (`get certificate api thumbprint`). Then say --trust with "
        "the fingerprint, or give the authority with --ca-cert FILE. --insecure goes on without knowing who answers."
    )
    return Unusable(f"NSX's certificate is not trusted: {fault.said}.{told}", fix, certificates=certificates)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 443


def _warnings(version: str) -> list[str]:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers and numbers < OLDEST:
        return [f"NSX {version} is older than {OLDEST[0]}.{OLDEST[1]}: its Policy API lacks parts that are used."]
    return []


def _row(body: Tree) -> dict[str, str]:
    """``about`` helps to choose."""
    words = [str(body[key]) for key in ("ha_mode", "tz_type", "cidr", "description") if body.get(key)]
    id_ = str(body.get("id"))
    return {"name": str(body.get("display_name") or id_), "id": id_, "about": ", ".join(words)}
