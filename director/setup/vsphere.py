"""What a vCenter has to choose from, and whether what was chosen will do. Reads only, and logs out again."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.client import HTTPException
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.connections import Login
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.inventory import read_inventory
from director.adapters.vsphere.preflight import diagnose
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import DatacenterSettings, Settings, read_settings
from director.adapters.vsphere.site import Cluster, Datastore, Inventory, Network
from director.setup.certificate import fingerprint
from director.setup.rights import check_rights
from director.setup.unusable import Unusable

OLDEST: Final = (6, 5)
"""Before it vCenter lacks calls that are used here, REST tagging among them."""
SUPPORTED: Final = (7, 0)
"""The oldest that its maker supported when this was written."""


async def look(question: Mapping[str, Any]) -> dict[str, Any]:
    """Logs in and lists datacenters; of the one named, or the only one, also clusters, datastores, networks.

    Raises Unusable.
    """
    login = _login(question)
    async with _session(login) as session:
        warnings = _check_about(session.content.about, login.host)
        names = await _datacenters(session)
        wanted = str(question.get("datacenter") or (names[0] if len(names) == 1 else ""))
        if wanted and wanted not in names:
            raise Unusable(f'There is no datacenter "{wanted}".', f"Name one of: {', '.join(names)}.")
        found: dict[str, Any] = {
            "about": str(session.content.about.fullName),
            "warnings": warnings,
            "datacenters": names,
            "datacenter": wanted,
        }
        return found | (_shown(await read_inventory(session, _settings(login, wanted))) if wanted else {})


async def check(question: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that ``properties`` (an infrastructure's) name, and the account's privileges on it.

    ``datastores`` and ``networks`` are names of those chosen.

    Raises Unusable, and Refused when the properties are wrong in themselves.
    """
    settings = read_settings(question["properties"])
    login = Login(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password,
        ca_certificate=settings.ca_certificate,
        is_verified=settings.is_verified,
    )
    async with _session(login) as session:
        found = [
            *await diagnose(session, settings),
            *await check_rights(session, settings, question.get("datastores", ()), question.get("networks", ())),
        ]
    return {
        "findings": [
            {"subject": one.subject, "is_well": one.is_well, "detail": one.detail, "fix": one.fix} for one in found
        ]
    }


def _login(question: Mapping[str, Any]) -> Login:
    return Login(
        host=str(question["host"]),
        port=int(question.get("port") or 443),
        user=str(question["user"]),
        password=str(question["password"]),
        ca_certificate=question.get("ca_certificate") or None,
        is_verified=bool(question.get("is_verified", True)),
    )


def _settings(login: Login, datacenter: str) -> Settings:
    return Settings(
        host=login.host, user=login.user, password=login.password, datacenter=DatacenterSettings(name=datacenter)
    )


@asynccontextmanager
async def _session(login: Login) -> AsyncIterator[Session]:
    """Logged in. Every Fault within becomes Unusable, in vCenter's words and with what to do."""
    try:
        session = Session(login)
    except (ssl.SSLError, ValueError) as error:
        raise Unusable(f"The CA certificate is not in PEM form: {error}.", "Give vCenter's CA certificate.") from error
    try:
        await session.open()
        yield session
    except Fault as fault:
        raise await _unusable(login, fault) from fault
    finally:
        await session.close()


async def _unusable(login: Login, fault: Fault) -> Unusable:
    if isinstance(fault.__cause__, ssl.SSLCertVerificationError):
        shown = await fingerprint(login.host, login.port)
        why = fault.__cause__.verify_message.rstrip(".")
        seen = f"\nIts SHA-256 fingerprint is {shown}." if shown else ""
        fix = (
            "Compare it with the fingerprint that vCenter shows (Administration, Certificates). Then fetch its "
            f"authority's certificate from https://{login.host}/certs/download.zip and give it with --ca-cert FILE. "
            "--insecure goes on without knowing who answers."
        )
        return Unusable(f"The certificate of {login.host} is not trusted: {why}.{seen}", fix, fingerprint=shown)
    if fault.is_a(vim.fault.InvalidLogin):
        fix = "Check --user (as in NAME@vsphere.local) and the password; several wrong ones lock an account."
        return Unusable(f"vCenter {login.host} does not let {login.user} in: user or password is wrong.", fix)
    if isinstance(fault.__cause__, HTTPException):
        fix = "Give the address of a vCenter, without a path."
        return Unusable(f"{login.host}:{login.port} does not answer as a vCenter: {fault.__cause__}.", fix)
    if isinstance(fault.__cause__, OSError) and not fault.is_reply_lost:
        fix = "Check --host, and that this machine reaches its port (443 unless given)."
        return Unusable(f"vCenter {login.host}:{login.port} cannot be reached: {fault.__cause__}.", fix)
    return Unusable(str(fault), "")


def _check_about(about: Any, host: str) -> list[str]:
    """Warnings. Raises Unusable for what is no vCenter, or too old a one."""
    if about.apiType != "VirtualCenter":
        fix = "Give the address of the vCenter that manages it: a host alone cannot clone VMs."
        raise Unusable(f"{host} is no vCenter but {about.fullName}.", fix)
    version = tuple(int(part) for part in str(about.apiVersion).split(".")[:2] if part.isdecimal())
    if version < OLDEST:
        fix = f"Use a vCenter of version {SUPPORTED[0]}.{SUPPORTED[1]} or newer."
        raise Unusable(f"{host} is too old: {about.fullName} speaks API {about.apiVersion}.", fix)
    if version < SUPPORTED:
        return [f"{about.fullName} is older than {SUPPORTED[0]}.{SUPPORTED[1]}, which its maker does not support."]
    return []


async def _datacenters(session: Session) -> list[str]:
    read = await session.read("read the datacenters", vim.Datacenter, ("name",))
    names = sorted(str(one["name"]) for one in read.values() if "name" in one)
    if not names:
        fix = "Give the account its role on the vCenter or on a datacenter, propagating to what is below."
        raise Unusable("The account sees no datacenter.", fix)
    return names


def _shown(inventory: Inventory) -> dict[str, Any]:
    names = [network.name for network in inventory.networks]
    return {
        "clusters": [_cluster(cluster) for cluster in inventory.clusters],
        "datastores": [_datastore(store, inventory) for store in inventory.datastores],
        "networks": [_network(network, is_one=names.count(network.name) == 1) for network in inventory.networks],
    }


def _cluster(cluster: Cluster) -> dict[str, Any]:
    usable = [host for host in cluster.hosts if host.is_usable]
    return {
        "name": cluster.name,
        "hosts": len(cluster.hosts),
        "hosts_usable": len(usable),
        "free_mb": sum(host.free_mb for host in usable),
    }


def _datastore(store: Datastore, inventory: Inventory) -> dict[str, Any]:
    return {
        "name": store.name,
        "free_mb": store.free_mb,
        "capacity_mb": store.capacity_mb,
        "is_usable": store.is_usable,
        "clusters": [c.name for c in inventory.clusters if store.hosts & {host.moid for host in c.hosts}],
    }


def _network(network: Network, *, is_one: bool) -> dict[str, Any]:
    """``name`` is what a cloud config calls it: its path where several have the name."""
    own = network.name if is_one else (f"{network.switch}/{network.name}" if network.switch else network.path)
    return {"name": own, "kind": network.kind.value, "switch": network.switch}
