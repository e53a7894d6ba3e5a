"""What keeps NSX from serving as a fabric: reach, login, rights, and what a managed network needs. Changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Final

from director.adapters.nsxt.client import Kind, NsxFault
from director.adapters.nsxt.paths import HOMES, What
from director.adapters.nsxt.site import Site
from director.model.tree import Tree
from director.ports.infrastructure import Finding

_SHOWN_MAX: Final = 8
ROLES: Final = frozenset({"enterprise_admin", "network_engineer", "network_admin", "nsx_admin"})
"""Those that may do what managed networks need; a smaller one may do for some of it."""
NEEDED: Final[Mapping[What, str]] = {
    What.TIER0: "make a tier-0 gateway: managed networks reach the world through it.",
    What.EDGE_CLUSTER: "deploy edge nodes into an edge cluster: NAT and load balancers run on them.",
    What.TRANSPORT_ZONE: "make an overlay transport zone and add the hosts to it.",
}


async def diagnose(site: Site) -> Sequence[Finding]:
    """Stops at the first thing without which nothing further can be asked."""
    try:
        version = await site.client.get("/api/v1/node/version")
    except NsxFault as fault:
        return (Finding(subject="NSX managers", is_well=False, detail=str(fault), fix=_fix(fault)),)
    number = str(version.get("node_version") or version.get("product_version") or "of unknown version")
    managers = ", ".join(site.settings.login.managers)
    found = [Finding(subject="NSX managers", is_well=True, detail=f"NSX {number} answers at {managers}.")]
    if not site.settings.login.is_verified:
        detail = "Certificates of the managers are not verified (insecure: true): anybody between could be one."
        found.append(Finding(subject="NSX certificates", is_well=False, detail=detail, fix="give ca_cert instead."))
    found.append(await _rights(site))
    for what, fix in NEEDED.items():
        found.append(await _presence(site, what, fix))
    return found


def _fix(fault: NsxFault) -> str:
    if fault.kind in {Kind.CREDENTIALS, Kind.SESSION, Kind.FORBIDDEN}:
        return "correct username and password, or the certificate, in the nsxt properties."
    return "check host and ca_cert in the nsxt properties, and the way to it."


async def _rights(site: Site) -> Finding:
    try:
        info = await site.client.get("/api/v1/aaa/user-info")
    except NsxFault as fault:
        if fault.kind is Kind.NOT_FOUND:
            return Finding(subject="NSX rights", is_well=True, detail="The login works; NSX tells no roles.")
        return Finding(subject="NSX rights", is_well=False, detail=str(fault), fix=_fix(fault))
    roles = _roles(info)
    user = str(info.get("user_name") or site.settings.login.user)
    if roles and not roles & ROLES:
        detail = f"{user} has only {', '.join(sorted(roles))}: writing networks will be refused."
        return Finding(subject="NSX rights", is_well=False, detail=detail, fix="give it Network Admin or more.")
    return Finding(subject="NSX rights", is_well=True, detail=f"{user} is {', '.join(sorted(roles)) or 'logged in'}.")


def _roles(info: Tree) -> set[str]:
    listed = info.get("roles")
    return (
        {str(each.get("role")) for each in listed if isinstance(each, Mapping)} if isinstance(listed, list) else set()
    )


async def _presence(site: Site, what: What, fix: str) -> Finding:
    subject = f"NSX {what.value}s"
    try:
        bodies = await site.refs.kin(HOMES[what][0])
    except NsxFault as fault:
        return Finding(subject=subject, is_well=False, detail=str(fault), fix=_fix(fault))
    names = sorted(str(body.get("display_name") or body.get("id")) for body in bodies)
    if not names:
        return Finding(subject=subject, is_well=False, detail=f"There is no {what.value}.", fix=fix)
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return Finding(subject=subject, is_well=True, detail=f"{', '.join(names[:_SHOWN_MAX])}{more}.")
