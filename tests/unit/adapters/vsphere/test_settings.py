"""BOSH's vSphere properties and cloud properties become values, or every mistake at once."""

import pytest

from director.adapters.vsphere.choices import ClusterChoice, DiskKind, HostGroup, StoreChoice
from director.adapters.vsphere.cloud import (
    NetworkProperties,
    Tag,
    read_disk_properties,
    read_network,
    read_vm_properties,
)
from director.adapters.vsphere.settings import ScsiKind, StorePattern, read_settings
from director.model.problem import Problem, Refused, Severity

PLAIN = {
    "host": "vc.example",
    "user": "admin",
    "password": "hunter2",
    "datacenters": [
        {
            "name": "DC0",
            "vm_folder": "vms",
            "template_folder": "templates",
            "disk_path": "disks",
            "datastore_pattern": r"\Afast-\d+\z",
            "persistent_datastore_pattern": "^slow",
            "clusters": ["C0", {"C1": {"resource_pool": "RP", "host_group": "hg"}}, {"C2": {}}],
        }
    ],
}
PEM = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"


def refused(properties):
    with pytest.raises(Refused) as caught:
        read_settings(properties)
    return {problem.code: problem for problem in caught.value.problems}


def with_datacenter(**changes):
    return {**PLAIN, "datacenters": [{**PLAIN["datacenters"][0], **changes}]}


def test_a_plain_cpi_config_is_read_with_bosh_s_defaults():
    found = read_settings(PLAIN)
    assert (found.host, found.port, found.user) == ("vc.example", 443, "admin")
    assert found.datacenter.ephemeral == StorePattern(datastores=r"\Afast-\d+\Z")
    assert found.datacenter.clusters == (
        ClusterChoice(name="C0"),
        ClusterChoice(name="C1", resource_pool="RP", host_group=HostGroup(name="hg", is_mandatory=True)),
        ClusterChoice(name="C2"),
    )
    assert found.default_disk is DiskKind.PREALLOCATED
    assert found.default_scsi is ScsiKind.PARAVIRTUAL
    assert found.refuses_ip_conflicts
    assert not found.is_verified
    assert found.warnings == ()


def test_without_folders_bosh_s_names_are_used():
    found = read_settings(
        {**PLAIN, "datacenters": [{"name": "D", "datastore_pattern": "a", "persistent_datastore_cluster_pattern": "p"}]}
    )
    assert (found.datacenter.vm_folder, found.datacenter.template_folder) == ("BOSH_VMs", "BOSH_Templates")
    assert found.datacenter.disk_path == "BOSH_Disks"
    assert found.datacenter.persistent == StorePattern(pods="p")


def test_the_job_properties_below_vcenter_are_the_same_settings():
    inner = {key: value for key, value in PLAIN.items() if key != "host"} | {"address": "vc.example"}
    assert read_settings({"vcenter": inner, "ntp": ["0.pool"], "agent": {"mbus": "x"}}) == read_settings(PLAIN)


def test_a_certificate_is_what_makes_the_server_verified():
    assert read_settings({**PLAIN, "connection_options": {"ca_cert": PEM}}).is_verified
    assert read_settings({**PLAIN, "connection_options": {"verify": True}}).is_verified
    assert "vsphere.properties.wrong-value" in refused({**PLAIN, "connection_options": {"ca_cert": "nonsense"}})


@pytest.mark.parametrize(
    "host, expected",
    [("vc:8443", ("vc", 8443)), ("vc", ("vc", 443)), ("fd00::1", ("fd00::1", 443)), ("10.0.0.1:1", ("10.0.0.1", 1))],
)
def test_a_port_may_stand_behind_the_host(host, expected):
    found = read_settings({**PLAIN, "host": host})
    assert (found.host, found.port) == expected


def test_a_password_is_in_no_repr_and_in_no_problem():
    assert "hunter2" not in repr(read_settings(PLAIN))
    problems = refused({**PLAIN, "password": ["hunter2"]})
    assert "hunter2" not in "".join(map(str, problems.values()))


def test_everything_wrong_is_told_at_once():
    problems = refused(
        {
            "host": "vc",
            "pasword": "x",
            "default_disk_type": "fat",
            "datacenters": [{"datastore_pattern": "(", "clusters": [{"C": {"host_group": {"drs_rule": "MAYBE"}}}]}],
        }
    )
    assert set(problems) == {
        "vsphere.properties.missing-key",
        "vsphere.properties.wrong-value",
        "vsphere.properties.bad-pattern",
        "vsphere.properties.unknown-key",
    }
    assert 'did you mean "password"?' in problems["vsphere.properties.unknown-key"].fix


@pytest.mark.parametrize(
    "properties",
    [
        {**PLAIN, "datacenters": []},
        {**PLAIN, "datacenters": "DC0"},
        {**PLAIN, "datacenters": [*PLAIN["datacenters"], *PLAIN["datacenters"]]},
        with_datacenter(datastore_pattern=None),
        with_datacenter(clusters="C0"),
        with_datacenter(clusters=[{"C": {"resource_pol": "x"}}]),
        with_datacenter(clusters=[{"C": {"drs_rules": [{"name": "a", "type": "separate_vms"}] * 2}}]),
        with_datacenter(clusters=[{"C": {"drs_rules": [{"name": "a", "type": "join_vms"}]}}]),
        {**PLAIN, "vmx_options": {"a": [1]}},
        {**PLAIN, "operations_in_flight": {"host": 0}},
        {**PLAIN, "agent_install": "ssh"},
        {**PLAIN, "port": "many"},
    ],
)
def test_a_mistake_is_refused(properties):
    assert refused(properties)


def test_nsx_v_settings_are_warned_of_and_the_fabric_s_are_passed_over():
    found = read_settings({**PLAIN, "nsx": {"address": "nsx"}, "nsxt": {"host": "nsx"}})
    assert [problem.code for problem in found.warnings] == ["vsphere.properties.not-supported"]
    assert found.warnings[0].severity is Severity.WARNING
    assert "nsx asks for NSX-V" in found.warnings[0].detail


def test_a_segment_has_ten_minutes_to_show_unless_told_otherwise():
    assert read_settings(PLAIN).segment_wait_s == 600
    assert read_settings({**PLAIN, "segment_wait_s": 30}).segment_wait_s == 30
    assert refused({**PLAIN, "segment_wait_s": 0})


def test_vmx_options_are_texts_as_vcenter_takes_them():
    found = read_settings({**PLAIN, "vmx_options": {"a": True, "b": 1, "c": "x"}})
    assert found.vmx_options == {"a": "TRUE", "b": "1", "c": "x"}


VM = {
    "cpu": 2,
    "ram": 4096,
    "disk": 10240,
    "datacenters": [{"name": "DC0", "clusters": [{"C1": {"drs_rules": [{"name": "apart", "type": "separate_vms"}]}}]}],
    "datastores": ["ds-1", {"clusters": [{"pod-1": {}}]}],
    "storage_policy": {"name": "gold"},
    "tags": [{"category": "c", "tag": "t"}],
    "vm_group": "g",
    "disable_drs": True,
    "cpu_hot_add_enabled": True,
    "memory_reservation_locked_to_max": False,
    "vmx_options": {"x": 1},
    "root_disk_size_gb": 20,
}


def read_vm(**changes):
    problems: list[Problem] = []
    return read_vm_properties({**VM, **changes}, "web in z1", problems), problems


def test_a_vm_type_with_everything_is_read():
    found, problems = read_vm()
    assert problems == []
    assert (found.cpu, found.ram_mb, found.disk_mb, found.root_disk_gb) == (2, 4096, 10240, 20)
    assert found.clusters == (ClusterChoice(name="C1", separate_rule="apart"),)
    assert found.datastores == StoreChoice(datastores=("ds-1",), pods=("pod-1",))
    assert (found.storage_policy, found.tags, found.vm_group) == ("gold", (Tag(category="c", tag="t"),), "g")
    assert found.reserves_memory is False
    assert found.reserves_cpu is None


@pytest.mark.parametrize("key", ["cpu", "ram", "disk"])
def test_a_vm_type_must_say_its_size(key):
    _, problems = read_vm(**{key: None})
    assert [problem.code for problem in problems] == ["vsphere.cloud-properties.missing-key"]
    assert "web in z1" in problems[0].detail


@pytest.mark.parametrize("key", ["pci_passthroughs", "vgpus", "device_groups", "nsx", "nsxt"])
def test_what_cannot_be_done_is_refused_and_empty_asks_for_nothing(key):
    assert [problem.code for problem in read_vm(**{key: [{"vendor_id": 1}]})[1]] == [
        "vsphere.cloud-properties.not-supported"
    ]
    assert read_vm(**{key: []})[1] == []


def test_a_misspelt_key_is_an_error_and_another_cloud_s_only_a_warning():
    _, problems = read_vm(cpu_hot_add_enable=True, instance_type="m5.large")
    assert {problem.detail.split('"')[1]: problem.severity for problem in problems} == {
        "cpu_hot_add_enable": Severity.ERROR,
        "instance_type": Severity.WARNING,
    }


def test_a_disk_type_says_its_kind_and_its_datastores():
    problems: list[Problem] = []
    found = read_disk_properties({"type": "eagerzeroedthick", "datastores": ["ds-.*"]}, "d", problems)
    assert (found.kind, found.datastores, problems) == (
        DiskKind.EAGER_ZEROED_THICK,
        StoreChoice(datastores=("ds-.*",)),
        [],
    )
    read_disk_properties({"type": "round", "name": "../x"}, "d", problems)
    assert len(problems) == 2


def test_a_network_needs_a_name():
    problems: list[Problem] = []
    assert read_network({"cloud_properties": {"name": "PG"}}, "n", problems) == NetworkProperties(name="PG")
    assert problems == []
    assert read_network({}, "n", problems).name == ""
    assert [problem.code for problem in problems] == ["vsphere.cloud-properties.missing-key"]


def test_a_managed_network_s_other_keys_are_its_fabric_s():
    problems: list[Problem] = []
    mine = {"name": "web", "managed": True, "t0_router_id": "tier0"}
    assert read_network({"cloud_properties": mine}, "n", problems) == NetworkProperties(name="web", is_managed=True)
    assert problems == []
    read_network({"cloud_properties": {**mine, "managed": False}}, "n", problems)
    assert [problem.code for problem in problems] == ["vsphere.cloud-properties.unknown-key"]


def test_groups_of_nsx_t_need_an_nsx_t():
    (problem,) = read_vm(nsxt={"ns_groups": ["web"]})[1]
    assert "nsxt names NSX-T groups or pools, but no NSX-T is configured" in problem.detail
    assert "add `nsxt` to the CPI's properties (director configure nsx-t)" in problem.fix
