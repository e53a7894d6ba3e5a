"""What ``director doctor`` says of managed networks without a fabric."""

import pytest

from director.adapters.memory.fabric import MemoryFabric
from director.execution.fabrics import Fabrics
from director.model.cloud import Az, CloudConfig, Network, Subnet
from director.model.names import AzName, NetworkName
from director.model.network_wish import ManagedSubnet
from director.reconcile.fabric_examine import missing_fabrics


def clouds(*azs: Az, on: tuple[str, ...] = (), managed: bool = True) -> CloudConfig:
    subnet = Subnet(range="10.0.0.0/24", azs=tuple(map(AzName, on)), managed=ManagedSubnet() if managed else None)
    return CloudConfig(
        azs=azs, networks=(Network(name=NetworkName("web"), subnets=(subnet, subnet)),), compilation=None
    )


FAR = Az(name=AzName("z2"), cpi="far")
NEAR = Az(name=AzName("z1"))


@pytest.mark.parametrize(
    "config,where",
    [
        (clouds(), "the director's own infrastructure"),
        (clouds(NEAR, on=("z1",)), "the director's own infrastructure"),
        (clouds(FAR, on=("z2",)), 'CPI "far"'),
    ],
)
def test_a_managed_network_needs_a_fabric_where_its_zones_are(config, where):
    (one,) = missing_fabrics(config, Fabrics())
    assert (one.subject, one.is_well) == ("network web", False)
    assert where in one.detail
    assert "configure nsx-t" in one.fix


@pytest.mark.parametrize(
    "config,fabrics",
    [
        (None, Fabrics()),
        (clouds(managed=False), Fabrics()),
        (clouds(NEAR, on=("z1",)), Fabrics(MemoryFabric())),
    ],
)
def test_nothing_is_said_where_nothing_lacks(config, fabrics):
    assert not missing_fabrics(config, fabrics)
