import psutil
import pytest

from director.adapters.local.boot import hostname_of
from director.adapters.local.files import DiskFile, Limits, Reader, VmFile, safe, write_file
from director.adapters.local.process import Process, run
from director.adapters.local.remove import remove_tree
from director.ports.failure import InfrastructureFailure

VM = VmFile(
    name="web-1",
    instance="i",
    deployment="d",
    networks={"a": {"ip": "10.0.0.5"}},
    limits=Limits(cpu=0.5),
    tags={"job": "web"},
    process=Process(pid=1, started=2, boot="b"),
)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", ".hidden", "a\nb", "-rf", "x" * 300])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(InfrastructureFailure):
        safe(name)


def test_a_vm_file_read_is_the_one_written_private_and_read_again_when_it_changed(tmp_path):
    path, reader = tmp_path / "vm.json", Reader()
    assert reader.vm(path) is None
    write_file(path, VM)
    assert reader.vm(path) == VM
    assert path.stat().st_mode & 0o777 == 0o600
    write_file(path, VmFile(name="web-1", instance="i", deployment="d", networks={}))
    assert reader.vm(path).process is None
    path.unlink()
    assert reader.vm(path) is None


def test_a_disk_file_read_is_the_one_written(tmp_path):
    disk = DiskFile(name="d", deployment="x", size_mb=5, vm="web-1")
    write_file(tmp_path / "d.json", disk)
    assert Reader().disk(tmp_path / "d.json") == disk


def test_a_spoilt_file_is_named(tmp_path):
    (tmp_path / "vm.json").write_text("{")
    with pytest.raises(InfrastructureFailure, match=r"vm\.json cannot be read"):
        Reader().vm(tmp_path / "vm.json")


@pytest.mark.parametrize(
    "name, label",
    [("web-1", "web-1"), ("shop/web_0.x", "shop-web-0-x"), ("-a-", "a"), ("é", "vm"), ("x" * 80, "x" * 63)],
)
def test_a_host_name_is_one_dns_label(name, label):
    assert hostname_of(name) == label


async def test_a_tree_without_permissions_is_removed_links_untouched_and_the_last_entry_last(tmp_path):
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/c").touch()
    (tree / "a/link").symlink_to(outside)
    (tree / "vm.json").touch()
    (tree / "a/b").chmod(0)
    (tree / "a").chmod(0)
    await remove_tree(tree, last="vm.json")
    await remove_tree(tree, last="vm.json")
    assert not tree.exists()
    assert (outside / "kept").is_dir()


async def test_a_program_that_fails_is_quoted_and_one_that_hangs_is_ended(tmp_path):
    await run(["sh", "-c", "read line; [ $line = given ]"], text="given\n", timeout_s=10)
    with pytest.raises(InfrastructureFailure, match="status 3: no luck"):
        await run(["sh", "-c", "echo no luck >&2; exit 3"], timeout_s=10)
    with pytest.raises(InfrastructureFailure, match="took longer"):
        await run(["sleep", "100"], timeout_s=0.05)
    assert [child for child in psutil.Process().children() if child.name() in {"sh", "sleep"}] == []
