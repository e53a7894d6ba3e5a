"""Exports: compiled on VMs of their own by the same pass as a deploy, cut off anywhere and gone on with."""

import json
from dataclasses import replace

import pytest

from director.adapters.memory.agents import Reply
from director.model.record import TaskState
from director.ports.agents import Compile
from director.ports.store import PutCompiled, PutRelease, TaskQuery
from director.reconcile.requests import CleanUp, DeleteRelease, Deploy, ExportRelease, Overrides
from tests.simulate.simulation import MANIFEST, Killed, Simulation
from tests.support.planning import RELEASE

PLAIN = MANIFEST.replace("{name: app, release: sample", "{name: plain, release: sample").replace(
    "{name: db, release: sample", "{name: plain, release: sample"
)
EMPTY = MANIFEST.partition("instance_groups:")[0] + "instance_groups: []\n"
EXPORT = ExportRelease(
    deployment="demo", release="sample", version="1", stemcell_os="local", stemcell_version="1", sha2=True
)


@pytest.fixture
async def simulation(tmp_path):
    """Deployed is a manifest without instances: nothing is compiled for it."""
    return await prepared(tmp_path)


async def prepared(folder):
    folder.mkdir(exist_ok=True)
    made = Simulation(folder)
    await made.prepare()
    deployed = await made.direct(Deploy(deployment="demo", manifest=EMPTY))
    assert deployed.state is TaskState.DONE, deployed.result
    return made


def result(simulation, task):
    return json.loads(simulation.world.tasklog.read(task.id, "result").decode())


def compiled_packages(simulation):
    """Once for each time an agent compiled one."""
    return sorted(key.rpartition("compile ")[2].split("/")[0] for _, key in simulation.agents.done if "compile " in key)


def created(simulation):
    return [name for call, name in simulation.iron.calls if call == "create_vm"]


async def test_what_is_missing_is_compiled_and_its_vms_are_gone_afterwards(simulation):
    task = await simulation.direct(EXPORT)
    assert task.state is TaskState.DONE, task.result
    assert task.result == "Exported release: sample/1 for local/1"
    assert compiled_packages(simulation) == ["base", "tool"]
    assert created(simulation)
    assert simulation.iron.vms == {}
    record = await simulation.check_invariants()
    assert record.instances == ()
    (packed,) = simulation.archives.written
    assert [package.name for package, _ in packed.builds] == ["base", "tool"]
    assert [job.name for job in packed.release.jobs] == ["app", "check", "db", "plain"]
    told = result(simulation, task)
    assert await simulation.blobs.has(told["blobstore_id"])
    assert told["sha1"] == f"sha256:{told['blobstore_id']}"


async def test_a_second_export_compiles_nothing_and_gives_the_same_archive(simulation):
    first = await simulation.direct(EXPORT)
    calls = len(simulation.iron.calls)
    again = await simulation.direct(EXPORT)
    assert result(simulation, again) == result(simulation, first)
    assert compiled_packages(simulation) == ["base", "tool"]
    assert {call for call, _ in simulation.iron.calls[calls:]} <= {"find_vms"}


async def test_only_what_a_named_job_needs_is_compiled(simulation):
    task = await simulation.direct(replace(EXPORT, jobs=("plain",)))
    assert (task.state, created(simulation)) == (TaskState.DONE, [])
    (packed,) = simulation.archives.written
    assert ([job.name for job in packed.release.jobs], packed.builds) == (["plain"], ())


async def test_instances_that_run_are_not_touched(simulation):
    deployed = await simulation.direct(Deploy(deployment="demo", manifest=PLAIN))
    assert deployed.state is TaskState.DONE, deployed.result
    before, vms = await simulation.store.record("demo"), dict(simulation.iron.vms)
    task = await simulation.direct(replace(EXPORT, stemcell_version="2"))
    assert task.state is TaskState.DONE, task.result
    after = await simulation.check_invariants()
    assert (after.instances, after.vms, simulation.iron.vms) == (before.instances, before.vms, vms)
    packed = simulation.archives.written[-1]
    assert {build.stemcell_version for _, build in packed.builds} == {"2"}
    again = await simulation.direct(Deploy(deployment="demo", manifest=PLAIN))
    assert again.state is TaskState.DONE
    assert (await simulation.store.record("demo")).instances == before.instances


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "9"}, "There is no release sample/9."),
        ({"stemcell_version": "9"}, "There is no stemcell with OS and version local/9."),
        ({"jobs": ("x",)}, 'has no job "x"'),
    ],
)
async def test_what_is_not_there_fails_the_task_before_anything_is_made(simulation, change, said):
    task = await simulation.direct(replace(EXPORT, **change))
    assert task.state is TaskState.ERROR
    assert said in task.result
    assert created(simulation) == []


async def test_a_package_that_does_not_compile_fails_the_export_and_leaves_no_vm(simulation):
    def script(_agent, _key, request):
        is_broken = isinstance(request, Compile) and request.name == "tool"
        return Reply(error="make: no rule") if is_broken else Reply()

    simulation.agents.script = script
    task = await simulation.direct(EXPORT)
    assert task.state is TaskState.ERROR
    assert "make: no rule" in task.result
    assert (simulation.iron.vms, simulation.archives.written) == ({}, [])
    simulation.agents.script = lambda _a, _k, _r: Reply()
    assert (await simulation.direct(EXPORT)).state is TaskState.DONE
    assert compiled_packages(simulation) == ["base", "tool", "tool"], "base was compiled already"


async def test_an_export_cut_off_at_any_commit_is_gone_on_with(tmp_path):
    cut = 0
    for kill_at in range(1, 200):
        simulation = await prepared(tmp_path / str(kill_at))
        simulation.store.dies_at = kill_at
        try:
            task = await simulation.direct(EXPORT)
        except Killed:
            simulation.agents.lose_director()
            simulation.agents.find_director()
            if not await simulation.store.tasks(TaskQuery(types=(ExportRelease.task_type,))):
                continue
            simulation.store.dies_at = 0
            task = await simulation.direct(None)
            cut += 1
        else:
            break
        finally:
            simulation.store.dies_at = 0
        assert task.state is TaskState.DONE, (kill_at, task.result)
        assert compiled_packages(simulation) == ["base", "tool"], kill_at
        assert await simulation.blobs.has(result(simulation, task)["blobstore_id"]), kill_at
        assert simulation.iron.vms == {}, kill_at
        await simulation.check_invariants()
    assert cut > 10


async def test_a_compiled_release_deploys_without_compiling_and_says_what_lacks_source_elsewhere(simulation):
    await simulation.direct(EXPORT)
    (packed,) = simulation.archives.written
    assert (await simulation.direct(Deploy(deployment="demo", manifest=PLAIN))).state is TaskState.DONE
    await simulation.direct(Deploy(deployment="demo", manifest=EMPTY, overrides=Overrides(allow_delete_all=True)))
    forced = DeleteRelease(name="sample", version="1", force=True)
    assert (await simulation.direct(forced)).state is TaskState.DONE
    assert (await simulation.store.catalog()).compiled == {}, "builds go with their release"
    bare = tuple(replace(package, blob=None, digest=None) for package in RELEASE.packages)
    puts = (PutCompiled(package=build) for _, build in packed.builds)
    await simulation.store.commit(PutRelease(release=replace(RELEASE, packages=bare)), *puts)
    before = compiled_packages(simulation)
    task = await simulation.direct(Deploy(deployment="demo", manifest=MANIFEST))
    assert task.state is TaskState.DONE, task.result
    assert compiled_packages(simulation) == before
    assert not [name for name in created(simulation)[-4:] if name.startswith("compilation")]
    newer = MANIFEST.replace('os: local, version: "1"', 'os: local, version: "2"')
    with pytest.raises(Exception, match="base") as refused:
        await simulation.direct(Deploy(deployment="demo", manifest=newer))
    assert [problem.number for problem in refused.value.problems] == [60001, 60001]
    assert {problem.detail.split('"')[1] for problem in refused.value.problems} == {"base", "tool"}


async def test_a_clean_up_deletes_the_archive(simulation):
    task = await simulation.direct(EXPORT)
    blob = result(simulation, task)["blobstore_id"]
    cleaned = await simulation.direct(CleanUp())
    assert "1 exported release(s)" in cleaned.result
    assert not await simulation.blobs.has(blob)
    assert "exported" not in (await simulation.direct(CleanUp())).result
