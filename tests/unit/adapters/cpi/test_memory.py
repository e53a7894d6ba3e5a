"""What is remembered survives the director, privately; files of an earlier version are still read."""

import json

import pytest

from director.adapters.cpi.memory import AbilityFile, Call, DiskFile, LostFile, Memory, StemcellFile, VmFile
from director.adapters.cpi.process import Process
from director.ports.failure import InfrastructureFailure

CALL = Call(
    method="create_vm", request_id="cpi-1", at=7.5, deadline_s=60.0, process=Process(pid=1, started=2, boot="b")
)
VM = VmFile(name="web/1 ü", deployment="shop", instance="i", agent="a", tags={"t": "x"}, call=CALL)
FILES = (
    VM,
    DiskFile(name="d", deployment="shop", size_mb=10, cid="disk-1", vm="vm-1", hint={"path": "/x"}),
    StemcellFile(name="k", cid="sc"),
    LostFile(name="cpi-0", method="create_vm", what="a VM", at=1.0, why="it crashed"),
    AbilityFile(name="resize_disk", stamp="s", can=True),
)
WRITTEN_V1 = {
    "agent": "a", "call": None, "cid": "vm-1", "deployment": "shop", "instance": "i", "is_tagged": True,
    "name": "web-1", "tags": {"t": "x"},
}  # fmt: skip


@pytest.fixture
async def memory(tmp_path):
    made = Memory(tmp_path / "cpi")
    await made.load()
    yield made
    made.close()


async def reopened(memory, tmp_path):
    again = Memory(tmp_path / "cpi")
    await again.load()
    again.close()
    return again


@pytest.mark.parametrize("file", FILES, ids=lambda file: type(file).__name__)
async def test_what_was_kept_is_there_after_a_restart(memory, tmp_path, file):
    await memory.keep(file)
    assert (await reopened(memory, tmp_path)).all(type(file)) == [file]
    await memory.drop(file)
    assert (await reopened(memory, tmp_path)).all(type(file)) == []


async def test_files_are_their_owners_alone(memory, tmp_path):
    await memory.keep(VM)
    (path,) = (tmp_path / "cpi/vms").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_names_do_not_lead_elsewhere(memory, tmp_path):
    for name in ("../../x", "..", "a" * 500):
        await memory.keep(StemcellFile(name=name, cid=name))
    assert {file.cid for file in (await reopened(memory, tmp_path)).all(StemcellFile)} == {"../../x", "..", "a" * 500}
    assert len(list((tmp_path / "cpi/stemcells").iterdir())) == 3


async def test_things_are_found_by_their_cids(memory):
    for file in FILES:
        await memory.keep(file)
    assert memory.disk_of("disk-1").name == "d"
    assert [disk.name for disk in memory.disks_on("vm-1")] == ["d"]
    assert (memory.vm_of("vm-1"), memory.disk_of("other")) == (None, None)


async def test_only_replies_that_are_waited_for_stay(memory, tmp_path):
    await memory.keep(VM)
    for name in ("cpi-1.out", "cpi-1.err", "cpi-2.out"):
        (memory.calls / name).write_text("")
    await reopened(memory, tmp_path)
    assert sorted(path.name for path in memory.calls.iterdir()) == ["cpi-1.err", "cpi-1.out"]


async def test_a_file_of_the_first_version_is_still_read(memory, tmp_path):
    (tmp_path / "cpi/vms/web-1.json").write_text(json.dumps(WRITTEN_V1))
    (vm,) = (await reopened(memory, tmp_path)).all(VmFile)
    assert (vm.cid, vm.is_tagged, vm.tags) == ("vm-1", True, {"t": "x"})


@pytest.mark.parametrize("text", ["{", "[]", '{"x": 1}', '{"call": {}}'])
async def test_a_file_changed_by_hand_is_named(memory, tmp_path, text):
    (tmp_path / "cpi/vms/web-1.json").write_text(text)
    with pytest.raises(InfrastructureFailure, match=r"web-1.json cannot be read"):
        await reopened(memory, tmp_path)
