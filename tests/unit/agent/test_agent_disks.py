"""Persistent disks appear at store, by mount or by link, and keep their content over a migration."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.disks import Disks
from agent.failure import Failed
from agent.layout import Layout


@pytest.fixture(params=["as it may", "without mounting"])
async def disks(request, layout: Layout, monkeypatch) -> AsyncIterator[Disks]:
    if request.param == "without mounting":

        async def cannot(*_: object) -> bool:
            return False

        monkeypatch.setattr(Disks, "_can_bind", cannot)
    monkeypatch.setattr("agent.disks._WAIT_AT_START_S", 0.0)
    monkeypatch.setattr("agent.devices.WAIT_S", 0.0)
    made = Disks(layout)
    yield made
    for disk in list(made._paths):
        await made.unmount(disk)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return _disk(tmp_path / "old")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return _disk(tmp_path / "new")


def _disk(path: Path) -> Path:
    path.mkdir()
    return path


async def test_a_disk_is_seen_at_store(layout: Layout, disks: Disks, old: Path) -> None:
    await disks.mount("old", str(old))
    (layout.store / "entry").write_text("kept")
    assert (old / "entry").read_text() == "kept"
    assert disks.mounted() == ["old"]
    await disks.mount("old", str(old))
    assert disks.mounted() == ["old"]


async def test_unmounting_hides_it_and_may_be_repeated(layout: Layout, disks: Disks, old: Path) -> None:
    await disks.mount("old", str(old))
    (layout.store / "entry").write_text("kept")
    await disks.unmount("old")
    await disks.unmount("old")
    await disks.unmount("never seen")
    assert disks.mounted() == []
    assert not (layout.store / "entry").exists()
    assert (old / "entry").exists()


async def test_a_second_disk_waits_beside_the_first_and_migration_swaps_them(
    layout: Layout, disks: Disks, old: Path, new: Path
) -> None:
    await disks.mount("old", str(old))
    (layout.store / "entry").write_text("kept")
    (layout.store / "entry").chmod(0o640)
    await disks.mount("new", str(new))
    assert layout.migration_target.samefile(new)
    await disks.migrate("old", "new", str(new))
    assert disks.mounted() == ["new"]
    assert layout.store.samefile(new)
    assert (layout.store / "entry").read_text() == "kept"
    assert (layout.store / "entry").stat().st_mode & 0o777 == 0o640
    await disks.migrate("old", "new", str(new))
    assert disks.mounted() == ["new"]


async def test_a_migration_interrupted_after_the_copy_goes_on(
    layout: Layout, disks: Disks, old: Path, new: Path
) -> None:
    await disks.mount("old", str(old))
    (layout.store / "entry").write_text("kept")
    await disks.migrate("old", "new", str(new))
    await disks._hide(layout.store)  # as if the agent had ended before it mounted the new one
    await disks.migrate("old", "new", str(new))
    assert (layout.store / "entry").read_text() == "kept"


async def test_migrating_from_a_disk_that_is_not_there_is_refused(disks: Disks, new: Path) -> None:
    with pytest.raises(Failed, match='disk "old" is not mounted'):
        await disks.migrate("old", "new", str(new))


async def test_after_a_reboot_the_same_disk_is_at_store(layout: Layout, disks: Disks, old: Path) -> None:
    await disks.mount("old", str(old))
    await disks._hide(layout.store)
    assert disks.mounted() == []
    later = Disks(layout)
    await later.remount()
    assert later.mounted() == ["old"]


async def test_a_disk_that_is_gone_after_a_reboot_is_an_error(layout: Layout, disks: Disks, old: Path) -> None:
    await disks.mount("old", str(old))
    await disks.unmount("old")
    await disks.mount("old", str(old))
    await disks._hide(layout.store)
    old.rmdir()
    with pytest.raises(Failed, match="where there is no directory"):
        await Disks(layout).remount()
