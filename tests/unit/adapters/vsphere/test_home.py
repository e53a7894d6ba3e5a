"""Where a stemcell goes first."""

from dataclasses import replace

import pytest

from director.adapters.vsphere.choices import ClusterChoice
from director.adapters.vsphere.home import asked_for_home, choose_home
from director.adapters.vsphere.settings import DatacenterSettings, Settings, StorePattern
from director.adapters.vsphere.site import Cluster, Datastore, Host, Inventory, Pod, Pool
from director.ports.failure import InfrastructureFailure


def host(moid: str, free_mb: int = 1000, *, is_usable: bool = True) -> Host:
    return Host(moid=moid, name=moid, is_usable=is_usable, memory_mb=free_mb, used_mb=0)


def store(name: str, free_gb: int, *hosts: str, pod: str | None = None, is_usable: bool = True) -> Datastore:
    return Datastore(
        moid=f"ds-{name}", name=name, free_mb=free_gb * 1024, capacity_mb=10**6, hosts=frozenset(hosts), pod=pod,
        is_usable=is_usable,
    )  # fmt: skip


C1 = Cluster(moid="c1", name="one", root_pool="pool-1", hosts=(host("a"), host("b", 2000)), effective_mb=9999)
C2 = Cluster(
    moid="c2", name="two", root_pool="pool-2", hosts=(host("c"),), effective_mb=9999,
    pools=(Pool(moid="pool-3", path="prod/web", free_mb=9),),
)  # fmt: skip
SITE = Inventory(
    datacenters=("DC",), datacenter="dc-1", clusters=(C1, C2),
    datastores=(store("fast-1", 10, "a", "b"), store("fast-2", 50, "c"), store("slow", 900, "a", "b", "c")),
    pods=(Pod(moid="p1", name="pod-a", has_drs=True), Pod(moid="p2", name="pod-b", has_drs=False)),
)  # fmt: skip


def settings(*clusters: ClusterChoice, **pattern: str) -> Settings:
    place = DatacenterSettings(
        name="DC", ephemeral=StorePattern(**(pattern or {"datastores": "^fast"})), clusters=clusters
    )
    return Settings(host="vc", user="u", password="p", datacenter=place)


def test_the_matching_datastore_with_most_space_is_taken_and_a_host_that_sees_it() -> None:
    home = choose_home(SITE, settings(), 4096)
    assert (home.datastore_name, home.host, home.pool) == ("fast-2", "c", "pool-2")


def test_of_the_hosts_the_one_with_most_memory_is_taken() -> None:
    home = choose_home(SITE, settings(ClusterChoice(name="one")), 4096)
    assert (home.datastore_name, home.host, home.pool) == ("fast-1", "b", "pool-1")


def test_the_choices_resource_pool_is_used() -> None:
    choice = ClusterChoice(name="two", resource_pool="prod/web")
    assert choose_home(SITE, settings(choice), 4096).pool == "pool-3"
    with pytest.raises(InfrastructureFailure, match='has no resource pool "none"'):
        choose_home(SITE, settings(replace(choice, resource_pool="none")), 4096)


def test_members_of_a_datastore_cluster_count_only_where_storage_drs_is_on() -> None:
    stores = (store("x", 10, "a", pod="p1"), store("y", 99, "a", pod="p2"))
    home = choose_home(replace(SITE, datastores=stores), settings(pods="^pod"), 4096)
    assert home.datastore_name == "x"


@pytest.mark.parametrize("broken", [{"is_usable": False}, {}])
def test_a_datastore_in_maintenance_or_without_running_hosts_is_not_used(broken: dict[str, bool]) -> None:
    dead = replace(C1, hosts=(host("a", is_usable=False),))
    site = replace(SITE, clusters=(dead,), datastores=(store("fast-1", 99, "a", **broken),))
    with pytest.raises(InfrastructureFailure, match="fast-1"):
        choose_home(site, settings(), 4096)


def test_too_little_space_is_said_with_what_each_has() -> None:
    with pytest.raises(InfrastructureFailure, match="fast-1 has 10240 MB free, fast-2 has 51200 MB free"):
        choose_home(SITE, settings(), 60_000)


def test_a_datacenter_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(InfrastructureFailure, match=r'no datacenter "DC"\. It has: EU, US'):
        choose_home(Inventory(datacenters=("EU", "US")), settings(), 1)


def test_only_what_matters_is_asked_for() -> None:
    asked = asked_for_home(settings(ClusterChoice(name="one")))
    assert (asked.clusters, asked.networks, asked.has_pools) == (frozenset({"one"}), frozenset(), False)
    assert asked_for_home(settings()).clusters is None
