"""VMs that hypervisors report, their ports, tags and groups, read and written through vcf-nsx's typed clients."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conformance.nsx.cases import Case, condition
from tests.conformance.nsx.checked import CheckedClient
from tests.support.nsxmodels import models
from tests.support.nsxsim import Nsxsim

VMS = "/infra/realized-state/enforcement-points/{}/virtual-machines"
GROUP = "/infra/domains/{}/groups/{}"
SEGMENT = "/infra/segments/inventory"
WAIT_S = 10


@pytest.fixture(scope="module")
def vm(client: CheckedClient, shared_nsx: Nsxsim, table: Mapping[str, Case]) -> str:
    """A running VM on a segment, and a group of those with its tag: its external id, once all of it shows."""
    shared_nsx.settings(vm_lag_s=0.05, port_lag_s=0.05, group_lag_s=0.05, search_lag_s=0.05)
    overlay = table["overlay segment"].body["transport_zone_path"]
    client.call("PATCH", "/infra/segments/{}", "inventory", body={"transport_zone_path": overlay})
    client.call("PATCH", GROUP, "default", "inventory", body={"expression": [condition("bosh/job|web")]})
    nic = {"segment": SEGMENT, "addresses": ["10.66.0.5"]}
    shared_nsx.control("POST", "vms", {"name": "web-1", "nics": [nic]})
    until(lambda: len(client.call("GET", VMS, "default", query="display_name:web-1").body["results"]), 1)
    found = known(client)
    until(lambda: len(client.call("GET", "/infra/segments/{}/ports", "inventory").body["results"]), 1)
    tags = [{"scope": "bosh/job", "tag": "web"}]
    body = {"virtual_machine_id": found.external_id, "tags": tags}
    client.call("POST", VMS, "default", fixed="action=update_tags", body=body)
    until(lambda: members(client, "virtual-machines"), ["web-1"])
    return str(found.external_id)


def known(client: CheckedClient) -> Any:
    """The VM's record; the SDK has this list's items for untyped and makes them typed on demand."""
    (found,) = client.call("GET", VMS, "default", query="display_name:web-1").typed.results
    return found.convert_to(models().VirtualMachine)


def until(told: Callable[[], object], wanted: object) -> None:
    deadline = time.monotonic() + WAIT_S
    while (said := told()) != wanted:
        assert time.monotonic() < deadline, said
        time.sleep(0.02)


def members(client: CheckedClient, kind: str) -> list[str]:
    found = client.call("GET", f"{GROUP}/members/{kind}", "default", "inventory").body["results"]
    return [one["display_name"] if isinstance(one, dict) else one for one in found]


def test_a_vm_reads_back_typed_with_its_tags(client: CheckedClient, vm: str) -> None:
    found = known(client)
    assert (found.external_id, found.power_state) == (vm, "VM_RUNNING")
    assert [(tag.scope, tag.tag) for tag in found.tags] == [("bosh/job", "web")]


def test_its_nic_has_a_port_that_may_be_tagged(client: CheckedClient, vm: str) -> None:
    (port,) = client.call("GET", "/infra/segments/{}/ports", "inventory").typed.results
    (vif,) = client.call("GET", "/infra/realized-state/enforcement-points/{}/vifs", "default").typed.results
    assert (port.attachment.id, vif.owner_vm_id) == (vif.lport_attachment_id, vm)
    tags = {"tags": [{"scope": "bosh/job", "tag": "web"}]}
    client.call("PATCH", "/infra/segments/{}/ports/{}", "inventory", port.id, body=tags)
    again = client.call("GET", "/infra/segments/{}/ports/{}", "inventory", port.id).typed
    assert (again.attachment.id, len(again.tags)) == (port.attachment.id, 1)


@pytest.mark.parametrize("kind", ["virtual-machines", "vifs", "segment-ports", "segments", "ip-addresses"])
def test_a_groups_members_read_back_typed(client: CheckedClient, vm: str, kind: str) -> None:
    client.call("GET", f"{GROUP}/members/{kind}", "default", "inventory")


def test_a_vms_groups_are_told(client: CheckedClient, vm: str) -> None:
    found = client.call("GET", "/infra/virtual-machine-group-associations", vm_external_id=vm).typed.results
    assert "/infra/domains/default/groups/inventory" in [one.path for one in found]


def test_an_addresses_groups_are_told(client: CheckedClient, vm: str) -> None:
    found = client.call("GET", "/infra/ip-address-group-associations", ip_address="10.66.0.5").typed.results
    assert "/infra/domains/default/groups/inventory" in [one.path for one in found or ()]


def test_search_finds_the_port_by_its_vif(client: CheckedClient, vm: str) -> None:
    (port,) = client.call("GET", "/infra/segments/{}/ports", "inventory").typed.results
    query = f"resource_type:SegmentPort AND attachment.id:{port.attachment.id}"
    until(
        lambda: [one["id"] for one in client.call("GET", "/search/query", query=query).body["results"]],
        [port.id],
    )
