"""Whether managed networks of the cloud config have a fabric to be made in. Pure."""

from collections.abc import Sequence

from director.execution.fabrics import Fabrics
from director.model.cloud import CloudConfig
from director.ports.infrastructure import Finding


def missing_fabrics(clouds: CloudConfig | None, fabrics: Fabrics) -> Sequence[Finding]:
    """A finding for each managed network and CPI without one; none while all is well."""
    if clouds is None:
        return ()
    cpis = {az.name: az.cpi or "" for az in clouds.azs}
    lacking = sorted(
        {
            (network.name, cpi)
            for network in clouds.networks
            for subnet in network.subnets
            if subnet.managed is not None
            for cpi in ({cpis.get(az, "") for az in subnet.azs} or {""})
            if not fabrics.has(cpi)
        }
    )
    return [_finding(network, cpi) for network, cpi in lacking]


def _finding(network: str, cpi: str) -> Finding:
    where = f'CPI "{cpi}"' if cpi else "the director's own infrastructure"
    return Finding(
        subject=f"network {network}",
        is_well=False,
        detail=f"It is managed, but no NSX-T is configured for {where}.",
        fix="Name one: `director configure nsx-t`; or take `managed` out of the cloud config.",
    )
