"""The enrolment reaches the agent by each way a template has, and can be taken away again."""

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from director.adapters.vsphere import enrol
from director.adapters.vsphere.macs import macs_of
from director.model.names import AgentId, DeploymentName, InstanceId, StemcellCid, VmName
from director.model.wanted import VmShape
from director.ports.bundle import BundleOffer
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import Enrolment, VmRequest

CLOUD_INIT = shutil.which("cloud-init")
TOKEN = "one-time-token"
BUNDLE = BundleOffer(
    url="https://10.0.0.2:25555/agent/bundle.tar.gz", sha256="ab" * 32, signature_b64="c2ln", public_key_pem="PEM\n"
)
FRONT = {
    "type": "manual",
    "ip": "10.1.0.5",
    "netmask": "255.255.255.0",
    "gateway": "10.1.0.1",
    "dns": ["10.1.0.2"],
    "default": ["dns", "gateway"],
    "cloud_properties": {"name": "pg-front"},
}
BACK = {"type": "manual", "ip": "fd00::5", "prefix": "64", "gateway": "fd00::1", "cloud_properties": {"name": "pg"}}
LAST = {"type": "dynamic", "cloud_properties": {"name": "pg-last"}}


def _request(networks: dict[str, dict[str, object]] | None = None, **where: object) -> VmRequest:
    return VmRequest(
        name=VmName("Web_tier-0-0123abcd-1"),
        instance=InstanceId("i"),
        deployment=DeploymentName("d"),
        shape=VmShape(
            stemcell_name="s",
            stemcell_version="1",
            stemcell_cid=StemcellCid("sc"),
            cloud_properties={},
            networks=networks or {"front": FRONT, "back": BACK, "last": LAST},
            env={"persistent_disk_fs": "xfs", "bosh": {"password": "s3cret"}},
        ),
        enrolment=Enrolment(
            agent=AgentId("agent-1"),
            token=TOKEN,
            ca_certificate="CA",
            enrol_targets=("10.0.0.2:25580",),
            agent_targets=("10.0.0.2:25581",),
        ),
        where=where,
    )


def _userdata(request: VmRequest) -> str:
    info = enrol.guestinfo_of(request, install="cloud-init", bundle=BUNDLE)
    return base64.b64decode(info["guestinfo.userdata"]).decode()


def _metadata(request: VmRequest, *, macs_known: bool = True) -> dict[str, object]:
    info = enrol.guestinfo_of(request, install="cloud-init", bundle=BUNDLE, macs_known=macs_known)
    return json.loads(base64.b64decode(info["guestinfo.metadata"]))


def test_a_baked_agent_is_told_all_in_one_variable() -> None:
    request = _request(ephemeral_hint={"id": "e-uuid"})
    info = enrol.guestinfo_of(request, install="baked")
    assert list(info) == ["guestinfo.director.enrolment"]
    told = enrol.read_enrolment(info)
    assert told is not None
    assert (told["agent_id"], told["token"], told["ca_certificate"]) == ("agent-1", TOKEN, "CA")
    assert (told["enrol_targets"], told["agent_targets"]) == (["10.0.0.2:25580"], ["10.0.0.2:25581"])
    assert told["hostname"] == "web-tier-0-0123abcd-1"
    assert told["disks"] == {"ephemeral": {"id": "e-uuid"}}
    macs = macs_of(request.name, request.shape.networks, {})
    front = {key: value for key, value in FRONT.items() if key != "cloud_properties"}
    assert told["networks"]["front"] == front | {"mac": macs["front"]}
    assert list(told["networks"]) == ["back", "front", "last"]


def test_the_agent_is_told_of_the_environment_only_what_is_for_disks() -> None:
    told = enrol.read_enrolment(enrol.guestinfo_of(_request(), install="baked"))
    assert told is not None
    assert told["env"] == {"persistent_disk_fs": "xfs"}


def test_the_network_of_a_cloud_image_is_cloud_inits_and_the_agent_leaves_it_alone() -> None:
    request = _request()
    told = enrol.read_enrolment(enrol.guestinfo_of(request, install="cloud-init", bundle=BUNDLE))
    assert told is not None
    assert told["token"] == TOKEN
    assert all(network["preconfigured"] for network in told["networks"].values())
    macs = list(macs_of(request.name, request.shape.networks, {}).values())
    assert _metadata(request)["network"] == {
        "version": 2,
        "ethernets": {
            "id0": {
                "match": {"macaddress": macs[0]},
                "set-name": "eth0",
                "dhcp4": False,
                "addresses": ["fd00::5/64"],
            },
            "id1": {
                "match": {"macaddress": macs[1]},
                "set-name": "eth1",
                "dhcp4": False,
                "addresses": ["10.1.0.5/24"],
                "routes": [{"to": "0.0.0.0/0", "via": "10.1.0.1"}],
                "nameservers": {"addresses": ["10.1.0.2"]},
            },
            "id2": {"match": {"macaddress": macs[2]}, "set-name": "eth2", "dhcp4": True},
        },
    }


def test_a_single_network_is_the_default_route_without_saying_so() -> None:
    network = _metadata(_request({"back": BACK}))["network"]
    assert network["ethernets"]["id0"]["routes"] == [{"to": "::/0", "via": "fd00::1"}]


def test_a_single_nic_whose_mac_is_not_known_is_matched_by_its_driver() -> None:
    network = _metadata(_request({"front": FRONT}), macs_known=False)["network"]
    assert network["ethernets"]["id0"]["match"] == {"driver": "vmxnet3"}
    with pytest.raises(InfrastructureFailure, match="several NICs"):
        _metadata(_request(), macs_known=False)


def test_the_instance_is_the_agent_so_that_a_recreated_vm_is_a_new_one_to_cloud_init() -> None:
    metadata = _metadata(_request())
    assert (metadata["instance-id"], metadata["local-hostname"]) == ("agent-1", "web-tier-0-0123abcd-1")
    assert metadata["redact"] == ["userdata"]


@pytest.mark.parametrize("install", ["baked", "cloud-init", "ssh"])
def test_clearing_leaves_no_token(install: str) -> None:
    info = enrol.guestinfo_of(_request(), install=install, bundle=BUNDLE)
    left = {key: value for key, value in {**info, **enrol.CLEARED}.items() if value}
    assert not any(TOKEN in value or TOKEN in _plain(value) for value in left.values())
    assert enrol.read_enrolment({**info, **enrol.CLEARED}) is None


def _plain(value: str) -> str:
    return base64.b64decode(value, validate=True).decode(errors="replace") if value != "base64" else ""


def test_what_the_agent_overwrote_is_no_enrolment() -> None:
    assert enrol.read_enrolment({enrol.ENROLMENT_KEY: "---"}) is None
    assert enrol.read_enrolment({}) is None


def test_ssh_leaves_nothing_in_vcenter() -> None:
    assert enrol.guestinfo_of(_request(), install="ssh") == {}


def test_an_unknown_way_is_named_with_the_known_ones() -> None:
    with pytest.raises(InfrastructureFailure, match=r'by "magic", .* baked, cloud-init, ssh'):
        enrol.guestinfo_of(_request(), install="magic")


def test_cloud_init_without_a_bundle_is_refused_with_what_to_do() -> None:
    with pytest.raises(InfrastructureFailure, match="offers no agent bundle: set api_host"):
        enrol.guestinfo_of(_request(), install="cloud-init")


def test_names_become_host_names() -> None:
    assert enrol.hostname_of("-A__b.c-") == "a-b-c"
    assert enrol.hostname_of("x" * 80) == "x" * 63
    assert enrol.hostname_of("___") == "vm"


def test_the_enrolment_and_the_order_to_fetch_the_agent_are_in_the_user_data() -> None:
    text = _userdata(_request())
    assert text.startswith("#cloud-config\n")
    tree = json.loads(text.removeprefix("#cloud-config\n"))
    enrolment, key, script = tree["write_files"]
    assert (enrolment["path"], enrolment["permissions"]) == ("/var/vcap/bosh/enrolment.json", "0600")
    assert base64.b64decode(key["content"]) == b"PEM\n"
    assert base64.b64decode(script["content"]).startswith(b"#!/bin/sh\n")
    assert tree["runcmd"] == [
        ["sh", script["path"], BUNDLE.url, BUNDLE.sha256, BUNDLE.signature_b64, key["path"]],
    ]
    assert TOKEN not in json.dumps(tree["runcmd"])


@pytest.mark.skipif(CLOUD_INIT is None, reason="no cloud-init: its own check of user data is not run")
def test_cloud_inits_own_schema_accepts_the_user_data(tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_text(_userdata(_request()))
    argv = [str(CLOUD_INIT), "schema", "--config-file", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(_userdata(_request()).replace('"runcmd"', '"runcmds"').replace('"permissions"', '"mode"'))
    wrong = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode != 0 or "invalid" in (wrong.stdout + wrong.stderr).lower()


@pytest.mark.skipif(CLOUD_INIT is None, reason="no cloud-init: its own reading of the network is not tried")
def test_cloud_init_renders_the_network_it_is_given(tmp_path: Path) -> None:
    request = _request()
    network, macs = _metadata(request)["network"], list(macs_of(request.name, request.shape.networks, {}).values())
    (tmp_path / "network.json").write_text(json.dumps(network))
    names = [f"--mac=eth{number},{mac}" for number, mac in enumerate(macs)]
    kinds = ["--kind=yaml", "--output-kind=networkd", "--distro=debian"]
    places = [f"--network-data={tmp_path / 'network.json'}", f"--directory={tmp_path / 'out'}"]
    argv = [str(CLOUD_INIT), "devel", "net-convert", *kinds, *places, *names]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = "\n".join(file.read_text() for file in (tmp_path / "out").rglob("*.network"))
    for line in (f"MACAddress={macs[1]}", "Address=10.1.0.5/24", "Gateway=10.1.0.1", "Address=fd00::5/64"):
        assert line in text


def test_a_request_does_not_show_its_token() -> None:
    assert TOKEN not in repr(replace(_request()))
