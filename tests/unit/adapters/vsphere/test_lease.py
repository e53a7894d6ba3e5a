"""Which file goes where."""

import pytest
from pyVmomi import vim

from director.adapters.vsphere.lease import _target, _with_host
from director.adapters.vsphere.session import Login
from director.ports.failure import InfrastructureFailure

LOGIN = Login(host="vc.example", user="u", password="p", is_verified=False)
DeviceUrl = vim.HttpNfcLease.DeviceUrl
CONTROLLER = "/vm/VirtualLsiLogicController0"
INFO = vim.HttpNfcLease.Info(
    leaseTimeout=300,
    deviceUrl=[
        DeviceUrl(key="k1", importKey=f"{CONTROLLER}:0", url="https://esx1/nfc/1/a.vmdk", sslThumbprint="AA"),
        DeviceUrl(key="k2", importKey=f"{CONTROLLER}:1", url="https://*:8443/nfc/1/b.vmdk", sslThumbprint=""),
    ],
)


def item(device: str) -> vim.OvfManager.FileItem:
    return vim.OvfManager.FileItem(deviceId=device, path="x.vmdk", create=False)


def test_a_file_goes_to_the_address_of_its_device() -> None:
    target = _target(LOGIN, INFO, item(f"{CONTROLLER}:0"))
    assert (target.url, target.thumbprint, target.is_created) == ("https://esx1/nfc/1/a.vmdk", "AA", False)


def test_a_star_stands_for_the_server_that_was_asked() -> None:
    assert _target(LOGIN, INFO, item(f"{CONTROLLER}:1")).url == "https://vc.example:8443/nfc/1/b.vmdk"


@pytest.mark.parametrize(("host", "url"), [("10.0.0.1", "https://10.0.0.1/x"), ("fd00::1", "https://[fd00::1]/x")])
def test_addresses_are_written_as_urls_want_them(host: str, url: str) -> None:
    assert _with_host("https://*/x", Login(host=host, user="u", password="p")) == url


def test_a_device_without_address_is_told() -> None:
    with pytest.raises(InfrastructureFailure, match=r"no address to upload x\.vmdk to"):
        _target(LOGIN, INFO, item("/vm/other"))
