"""NICs are known by MAC, and each network's settings lead to the address they say."""

from pathlib import Path

import pytest

from agent import network
from agent.failure import Failed


@pytest.fixture
def nics(tmp_path: Path) -> Path:
    for name, mac in (("lo", "00:00:00:00:00:00"), ("ens192", "00:50:56:00:00:01"), ("ens224", "00:50:56:00:00:02")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "address").write_text(mac + "\n")
    return tmp_path


def test_a_nic_is_known_by_its_mac_whatever_its_case(nics: Path) -> None:
    networks = {"a": {"mac": "00:50:56:00:00:02"}, "b": {"mac": "00:50:56:00:00:01".upper()}}
    assert network.cards_of(networks, nics) == {"a": "ens224", "b": "ens192"}


def test_a_nic_that_is_not_there_is_named(nics: Path) -> None:
    with pytest.raises(Failed, match='network "a" should be on the NIC 00:50:56:00:00:09'):
        network.cards_of({"a": {"mac": "00:50:56:00:00:09"}}, nics)


def test_without_a_mac_nothing_is_guessed_among_several_nics(nics: Path) -> None:
    with pytest.raises(Failed, match='network "a"'):
        network.cards_of({"a": {}}, nics)


def test_without_a_mac_the_only_nic_is_meant(nics: Path) -> None:
    (nics / "ens224" / "address").unlink()
    (nics / "ens224").rmdir()
    assert network.cards_of({"a": {}}, nics) == {"a": "ens192"}


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"ip": "10.0.0.5", "netmask": "255.255.255.0"}, "10.0.0.5/24"),
        ({"ip": "10.0.0.5", "prefix": "16"}, "10.0.0.5/16"),
        ({"ip": "fd00::5", "prefix": 64}, "fd00::5/64"),
        ({"ip": "10.0.0.5"}, None),
        ({"type": "dynamic", "ip": "10.0.0.5", "prefix": 24}, None),
        ({"use_dhcp": True, "ip": "10.0.0.5", "prefix": 24}, None),
    ],
)
def test_an_address_is_asked_for_unless_it_is_given_whole(settings: dict[str, object], address: str | None) -> None:
    assert network.address_of(settings) == address
