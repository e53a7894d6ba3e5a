"""A disk is found by its hint, in the ways infrastructures give it, and never another one."""

import asyncio
import os
from pathlib import Path

import pytest

from agent import devices
from agent.devices import Places
from agent.failure import Failed

ID = "6000C29a-0b1c-2d3e-4f50-617283940a1b"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in ("by-id", "sys", "dev"):
        (tmp_path / name).mkdir()
    return Places(by_id=tmp_path / "by-id", sys=tmp_path / "sys", dev=tmp_path / "dev")


def _disk(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


async def test_an_id_is_found_at_the_end_of_a_name_without_its_dashes(places: Places, tmp_path: Path) -> None:
    disk = _disk(tmp_path / "sdb")
    (places.by_id / "scsi-36000c29a0b1c2d3e4f50617283940a1b").symlink_to(disk)
    (places.by_id / "scsi-36000c29a0b1c2d3e4f50617283940a1b-part1").symlink_to(_disk(tmp_path / "sdb1"))
    assert await devices.find("d", f"id:{ID}", places=places) == disk


async def test_an_id_is_found_by_its_whole_name(places: Places) -> None:
    disk = _disk(places.by_id / ID)
    assert await devices.find("d", f"id:{ID}", places=places) == disk


async def test_another_id_is_not_taken_for_it(places: Places) -> None:
    _disk(places.by_id / "scsi-36000c29a0b1c2d3e4f50617283940a1c")
    with pytest.raises(Failed, match=f"id:{ID}, where there is no directory and no device"):
        await devices.find("d", f"id:{ID}", wait_s=0.0, places=places)


async def test_a_disk_that_appears_later_is_waited_for(places: Places) -> None:
    finding = asyncio.create_task(devices.find("d", f"id:{ID}", wait_s=5.0, places=places))
    await asyncio.sleep(0)
    disk = _disk(places.by_id / ID)
    assert await finding == disk


async def test_the_hosts_are_asked_for_new_disks(places: Places) -> None:
    scan = places.sys / "class/scsi_host/host0/scan"
    scan.parent.mkdir(parents=True)
    scan.touch()
    with pytest.raises(Failed):
        await devices.find("d", "id:none", wait_s=0.001, places=places)
    assert scan.read_text() == "- - -"


async def test_the_by_id_directory_can_be_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIRECTOR_AGENT_DISKS", str(tmp_path))
    disk = _disk(tmp_path / "uuid-1")
    assert await devices.find("d", "id:uuid-1", wait_s=0.0) == disk


async def test_a_unit_number_is_beside_the_root_disk(places: Places) -> None:
    root = Path("/").stat().st_dev
    node = places.sys / "devices/sda/sda1"
    _disk(node)
    (node / "partition").touch()
    (node.parent / "device").symlink_to(_disk(places.sys / "devices/2:0:0:0"))
    _disk(places.sys / "dev/block")
    (places.sys / f"dev/block/{os.major(root)}:{os.minor(root)}").symlink_to(node)
    _disk(places.sys / "bus/scsi/devices/2:0:3:0/block/sdd")
    disk = _disk(places.dev / "sdd")
    assert await devices.find("d", "3", places=places) == disk


async def test_a_word_that_names_no_disk_is_refused_at_once(places: Places) -> None:
    with pytest.raises(Failed, match="names no disk"):
        await devices.find("d", "", places=places)
