"""What ``director configure vsphere`` writes is what the director reads."""

from dataclasses import replace

import pytest
import yaml

from director.cli.vsphere_answers import Given, missing_flags, split_host, wrong_with
from director.cli.vsphere_files import (
    Answers,
    azs_of,
    cloud_config_text,
    first_address,
    infrastructure_text,
    properties_of,
    wrong_with_network,
)
from director.manifest.load import check_cloud_text, load_cloud
from director.manifest.read import read

ANSWERS = Answers(
    host="vcenter.example.com",
    port=443,
    user="director@vsphere.local",
    password="1e3",
    datacenter="DC0",
    azs=(("z1", ("C0",)), ("z2", ("C1", "C2"))),
    datastore_pattern="^ssd",
    persistent_datastore_pattern="^(hdd|san)$",
    network="VM Network",
    range="10.0.16.0/24",
    gateway="10.0.16.1",
    dns=("10.0.0.2",),
    reserved=("10.0.16.2-10.0.16.9",),
    static=("10.0.16.10-10.0.16.19",),
)
SEEN = {
    "clusters": [{"name": name} for name in ("C0", "C1", "C2")],
    "datastores": [{"name": name} for name in ("ssd-1", "hdd", "san")],
    "networks": [{"name": "VM Network"}],
}


def test_the_cloud_config_is_one_that_the_director_takes():
    text = cloud_config_text(ANSWERS)
    assert check_cloud_text(text, "cloud.yml", strict=True) == ()
    clouds = load_cloud(text, "cloud.yml")
    assert [az.name for az in clouds.azs] == ["z1", "z2"]
    assert clouds.networks[0].subnets[0].azs == ("z1", "z2")
    assert clouds.networks[0].subnets[0].cloud_properties == {"name": "VM Network"}


def test_an_az_names_the_candidates_of_its_vms():
    azs = yaml.safe_load(cloud_config_text(ANSWERS))["azs"]
    assert azs[1]["cloud_properties"] == {"datacenters": [{"name": "DC0", "clusters": [{"C1": {}}, {"C2": {}}]}]}


def test_the_infrastructure_file_keeps_texts_as_texts():
    root = read(infrastructure_text("vcenter1", properties_of(ANSWERS)), "infrastructure.yml").root
    assert (root["type"], root["name"]) == ("vsphere", "vcenter1")
    assert root["properties"]["password"] == "1e3"
    assert root["properties"]["datacenters"][0]["clusters"] == ["C0", "C1", "C2"]
    assert "port" not in root["properties"]


def test_the_adapter_reads_the_properties_as_they_were_meant():
    settings = pytest.importorskip("director.adapters.vsphere.settings")
    given = replace(ANSWERS, port=8443, folders={"vm_folder": "team/vms"})
    found = settings.read_settings(properties_of(given))
    assert (found.host, found.port, found.user, found.password) == (given.host, 8443, given.user, "1e3")
    assert (found.is_verified, found.ca_certificate) == (True, None)
    assert found.datacenter.vm_folder == "team/vms"
    assert found.warnings == ()


@pytest.mark.parametrize(
    "given,expected", [({"is_verified": False}, (False, None)), ({"ca_certificate": "PEM"}, (True, "PEM"))]
)
def test_whom_to_trust_is_what_was_said(given, expected):
    options = properties_of(replace(ANSWERS, **given))["connection_options"]
    assert (options["verify"], options.get("ca_cert")) == expected


def test_secrets_are_in_no_repr():
    assert "1e3" not in repr(ANSWERS)
    assert "geheim" not in repr(Given(password="geheim"))


@pytest.mark.parametrize(
    "names,clusters,expected",
    [
        ((), ("C0", "C1"), (("z1", ("C0",)), ("z2", ("C1",)))),
        (("a", "b"), ("C0", "C1"), (("a", ("C0",)), ("b", ("C1",)))),
        (("a",), ("C0", "C1"), (("a", ("C0", "C1")),)),
        (("a", "b"), ("C0", "C1", "C2"), None),
        ((), (), ()),
    ],
)
def test_azs_are_one_for_each_cluster_or_one_for_all(names, clusters, expected):
    assert azs_of(names, clusters) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"range": "10.0.16.1/24"},
        {"range": "fd00::/64"},
        {"range": "ten"},
        {"gateway": "10.0.17.1"},
        {"gateway": "10.0.16.255"},
        {"gateway": "x"},
    ],
)
def test_addresses_that_cannot_be_are_told(change):
    assert wrong_with_network(ANSWERS) == []
    assert len(wrong_with_network(replace(ANSWERS, **change))) == 1


def test_everything_that_vcenter_does_not_have_is_told_at_once():
    assert wrong_with(ANSWERS, SEEN) == []
    wrong = wrong_with(
        replace(
            ANSWERS,
            azs=(("z1", ("C9",)),),
            datastore_pattern="nvme",
            persistent_datastore_pattern="(",
            network="LAN",
            gateway="10.0.17.1",
        ),
        SEEN,
    )
    assert [words in line for words, line in zip(["C9", "nvme", "(", "LAN", "10.0.17.1"], wrong, strict=True)] == [
        True
    ] * 5
    assert "C0, C1, C2" in wrong[0]


def test_a_host_may_bring_its_port_and_a_scheme():
    assert split_host("vc:8443") == ("vc", 8443)
    assert split_host("https://vc/ui") == ("vc", 443)
    assert split_host("vc") == ("vc", 443)


def test_every_flag_that_nobody_can_be_asked_for_is_named():
    assert len(missing_flags(Given())) == 7
    assert missing_flags(
        Given(host="h", user="u", password="p", clusters=("c",), datastore_pattern="d", network="n")
    ) == ["--range CIDR"]


def test_a_gateway_is_usually_the_first_address():
    assert first_address("10.0.16.0/24") == "10.0.16.1"
    assert first_address("nonsense") == ""
