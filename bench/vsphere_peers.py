"""Two plain pyVmomi programs that make the VMs ours makes: what an engineer would write in an afternoon.

``python -m bench.vsphere_peers threads|poller HOST PORT USER PASSWORD COUNT SLOTS`` clones the stemcell that is there
from its snapshot, reconfigures and powers on, and prints one JSON line: seconds of wall clock and of CPU. ``threads``:
each of SLOTS threads polls its own task. ``poller``: one thread reads all pending tasks in one call.
"""

import json
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

POLL_S: Final = 0.1
ENDED: Final = frozenset({"success", "error"})


def moid_of(managed: Any) -> str:
    return str(managed._moId)  # noqa: SLF001  (pyVmomi has no public name for it)


def states(collector: Any, tasks: list[Any]) -> dict[str, tuple[str, Any]]:
    """State and result by task id, in one call."""
    chosen = vmodl.query.PropertyCollector.PropertySpec(type=vim.Task, pathSet=["info.state", "info.result"])
    objects = [vmodl.query.PropertyCollector.ObjectSpec(obj=task) for task in tasks]
    spec = vmodl.query.PropertyCollector.FilterSpec(propSet=[chosen], objectSet=objects)
    found = {}
    for one in collector.RetrieveContents([spec]):
        values = {prop.name: prop.val for prop in one.propSet}
        found[moid_of(one.obj)] = (values["info.state"], values.get("info.result"))
    return found


class Threads:
    """Each task is polled by who started it."""

    def __init__(self, content: Any) -> None:
        self._collector = content.propertyCollector

    def wait(self, task: Any) -> Any:
        while True:
            state, result = states(self._collector, [task])[moid_of(task)]
            if state in ENDED:
                assert state == "success", state
                return result
            time.sleep(POLL_S)


class Poller:
    """One thread asks for all pending tasks at once."""

    def __init__(self, content: Any) -> None:
        self._collector = content.propertyCollector
        self._pending: dict[str, tuple[Any, threading.Event]] = {}
        self._results: dict[str, Any] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._poll, daemon=True).start()

    def wait(self, task: Any) -> Any:
        ended = threading.Event()
        with self._lock:
            self._pending[moid_of(task)] = (task, ended)
        ended.wait()
        return self._results.pop(moid_of(task))

    def _poll(self) -> None:
        while True:
            with self._lock:
                pending = dict(self._pending)
            found = states(self._collector, [task for task, _ in pending.values()]) if pending else {}
            for moid, (state, result) in found.items():
                if state in ENDED:
                    assert state == "success", state
                    self._results[moid] = result
                    with self._lock:
                        _, ended = self._pending.pop(moid)
                    ended.set()
            time.sleep(POLL_S)


def find(content: Any, kind: type, prefix: str = "") -> Any:
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        return next(one for one in view.view if one.name.startswith(prefix))
    finally:
        view.Destroy()


def clone_of(template: Any, pool: Any, datastore: Any) -> Any:
    where = vim.vm.RelocateSpec(pool=pool, datastore=datastore, diskMoveType="createNewChildDiskBacking")
    return vim.vm.CloneSpec(location=where, snapshot=template.snapshot.currentSnapshot, powerOn=False, template=False)


def make(name: str, template: Any, folder: Any, spec: Any, waits: Any) -> None:
    vm = waits.wait(template.CloneVM_Task(folder=folder, name=name, spec=spec))
    change = vim.vm.ConfigSpec(
        numCPUs=1, memoryMB=256, extraConfig=[vim.option.OptionValue(key="guestinfo.userdata", value=name)]
    )
    waits.wait(vm.ReconfigVM_Task(change))
    waits.wait(vm.PowerOnVM_Task())


def main() -> None:
    how, host, port, user, password, count, slots = sys.argv[1:]
    service = SmartConnect(
        host=host, port=int(port), user=user, pwd=password, disableSslCertValidation=True, connectionPoolTimeout=-1
    )
    content = service.RetrieveContent()
    template = find(content, vim.VirtualMachine, "sc-")
    folder, pool = find(content, vim.Datacenter).vmFolder, find(content, vim.ClusterComputeResource).resourcePool
    spec = clone_of(template, pool, template.datastore[0])
    waits = {"threads": Threads, "poller": Poller}[how](content)
    began, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(int(slots)) as threads:
        for done in [threads.submit(make, f"{how}-{n}", template, folder, spec, waits) for n in range(int(count))]:
            done.result()
    wall, used = time.monotonic() - began, time.process_time() - cpu
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"wall_s": wall, "cpu_s": used, "rss_kib": rss}))
    Disconnect(service)


if __name__ == "__main__":
    main()
