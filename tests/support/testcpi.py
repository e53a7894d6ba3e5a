#!/usr/bin/env python3
"""A small CPI for tests: one JSON request on stdin, one JSON reply on stdout. State is files; a VM is a process.

``python testcpi.py --state DIR [--api N] [--formats a,b] [--agent] [--python P]``. Everything below DIR:

- ``calls.jsonl``: every call's request and environment, one line each, as it came.
- ``vms/<cid>.json``, ``disks/<cid>.json``, ``stemcells/<cid>.json``: what exists.
- ``commands/<method>/NN.json``: what the next calls of that method are to do instead; each is used up by one call:
  ``{"do": "error", "type", "message", "ok_to_retry", "log"}``, ``{"do": "print", "text"}``, ``{"do": "crash"}``,
  ``{"do": "flood"}``, ``{"do": "hold", "fifo", "then": {...}}`` (waits until somebody opens the FIFO for writing, then
  goes on), ``{"do": "hang", "is_stubborn"}`` (never answers; its child process neither), ``{"do": "whisper", "text"}``
  (prints to stderr, then goes on). With ``"after": true`` the call is done first, and its reply is replaced.
"""

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


class CpiError(Exception):
    def __init__(self, name, message, ok_to_retry=False):
        super().__init__(message)
        self.name, self.ok_to_retry = name, ok_to_retry


def not_found(what, cid):
    return CpiError(f"Bosh::Clouds::{what}NotFound", f"{what} '{cid}' not found", ok_to_retry=what == "Disk")


class State:
    def __init__(self, root, options):
        self.root, self.options = root, options
        for name in ("vms", "disks", "stemcells", "commands"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def read(self, kind, cid):
        try:
            return json.loads((self.root / kind / f"{cid}.json").read_text())
        except FileNotFoundError:
            return None

    def write(self, kind, cid, tree):
        draft = self.root / kind / f"{cid}.{os.getpid()}.new"
        draft.write_text(json.dumps(tree))
        draft.replace(self.root / kind / f"{cid}.json")

    def next_cid(self, kind, word):
        """The next free number, also when several programs look for one at once."""
        number = 1
        while True:
            try:
                (self.root / kind / f"{word}-{number}.taken").touch(exist_ok=False)
            except FileExistsError:
                number += 1
            else:
                return f"{word}-{number}"

    # Methods of the protocol, by their names in it.

    def info(self):
        return {"api_version": self.options.api, "stemcell_formats": self.options.formats.split(",")}

    def create_stemcell(self, image, properties, env=None):
        form = properties.get("format", "local")
        if form not in self.options.formats.split(","):
            raise CpiError("Bosh::Clouds::CloudError", f"a stemcell of format {form} is not for me")
        cid = "host" if form == "local" else self.next_cid("stemcells", "stemcell")
        self.write("stemcells", cid, {"image": image, "properties": properties, "env": env})
        return cid

    def delete_stemcell(self, cid):
        (self.root / "stemcells" / f"{cid}.json").unlink(missing_ok=True)

    def create_vm(self, agent_id, stemcell_cid, cloud_properties, networks, disk_cids, env):
        cid = self.next_cid("vms", f"vm-{agent_id}")
        home = self.root / "vms" / cid
        home.mkdir()
        pid = self.start(home, agent_id, networks, env)
        about = {"pid": pid, "agent_id": agent_id, "stemcell": stemcell_cid, "cloud_properties": cloud_properties,
                 "networks": networks, "near": disk_cids, "env": env, "disks": [], "metadata": {}}  # fmt: skip
        self.write("vms", cid, about)
        return cid if self.options.api == 1 else [cid, networks]

    def start(self, home, agent_id, networks, env):
        """As BOSH's CPIs do it: settings into the VM, then power on."""
        bosh = home / "vcap/bosh"
        bosh.mkdir(parents=True, exist_ok=True)
        settings = {"agent_id": agent_id, "vm": {"name": home.name}, "mbus": "", "ntp": [], "blobstore": {},
                    "disks": {"system": "", "persistent": {}}, "networks": networks, "env": env}  # fmt: skip
        (bosh / "settings.json").write_text(json.dumps(settings))
        if not self.options.agent:
            return detached([sys.executable, "-S", "-c", "import signal; signal.pause()"], home)
        enrolment = env["bosh"]["director_enrolment"]
        if not (bosh / "identity").exists():
            handle = os.open(bosh / "enrolment.json", os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(handle, json.dumps(enrolment).encode())
            os.close(handle)
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        agent = [self.options.python, "-m", "agent", "--base", str(home / "vcap")]
        return detached(["unshare", *user, "--pid", "--mount-proc", "--fork", "--kill-child", *agent], home)

    def vm(self, cid):
        vm = self.read("vms", cid)
        if vm is None:
            raise not_found("VM", cid)
        return vm

    def delete_vm(self, cid):
        vm = self.vm(cid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(vm["pid"], signal.SIGKILL)
        while is_alive(vm["pid"]):
            time.sleep(0.002)
        (self.root / "vms" / f"{cid}.json").unlink()

    def has_vm(self, cid):
        vm = self.read("vms", cid)
        return vm is not None and is_alive(vm["pid"])

    def reboot_vm(self, cid):
        vm = self.vm(cid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(vm["pid"], signal.SIGKILL)
        home = self.root / "vms" / cid
        self.write("vms", cid, {**vm, "pid": self.start(home, vm["agent_id"], vm["networks"], vm["env"])})

    def set_vm_metadata(self, cid, metadata):
        self.write("vms", cid, {**self.vm(cid), "metadata": metadata})

    def calculate_vm_cloud_properties(self, resources):
        return {"cpu": resources["cpu"], "ram": resources["ram"], "disk": resources["ephemeral_disk_size"]}

    def create_disk(self, size, cloud_properties, vm_cid):
        cid = self.next_cid("disks", "disk")
        self.write("disks", cid, {"size": size, "cloud_properties": cloud_properties, "vm_locality": vm_cid})
        if self.options.agent:
            self.content_of(cid).mkdir()
        return cid

    def content_of(self, cid):
        """A disk that an agent mounts is a directory."""
        return self.root / "disks" / f"{cid}.content"

    def disk(self, cid):
        disk = self.read("disks", cid)
        if disk is None:
            raise not_found("Disk", cid)
        return disk

    def delete_disk(self, cid):
        self.disk(cid)
        (self.root / "disks" / f"{cid}.json").unlink()
        shutil.rmtree(self.content_of(cid), ignore_errors=True)

    def has_disk(self, cid):
        return self.read("disks", cid) is not None

    def attach_disk(self, vm_cid, disk_cid):
        vm, _ = self.vm(vm_cid), self.disk(disk_cid)
        if disk_cid in vm["disks"]:
            raise CpiError("Bosh::Clouds::CloudError", f"{disk_cid} is attached already")
        self.write("vms", vm_cid, {**vm, "disks": [*vm["disks"], disk_cid]})
        path = self.content_of(disk_cid) if self.options.agent else f"/run/disks/{disk_cid}"
        return None if self.options.api == 1 else {"path": str(path)}

    def detach_disk(self, vm_cid, disk_cid):
        vm = self.vm(vm_cid)
        if disk_cid not in vm["disks"]:
            raise CpiError("Bosh::Clouds::DiskNotAttached", f"{disk_cid} is not attached", ok_to_retry=True)
        self.write("vms", vm_cid, {**vm, "disks": [disk for disk in vm["disks"] if disk != disk_cid]})

    def set_disk_metadata(self, cid, metadata):
        self.write("disks", cid, {**self.disk(cid), "metadata": metadata})

    def resize_disk(self, cid, size):
        self.write("disks", cid, {**self.disk(cid), "size": size})


METHODS = {name for name in vars(State) if not name.startswith("_")} - {
    "read", "write", "next_cid", "start", "vm", "disk", "content_of"
}  # fmt: skip


def detached(argv, home):
    with (home / "output").open("ab") as output:
        started = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=home
        )
    return started.pid


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def next_command(state, method):
    """The first that is left, used up by this call."""
    for path in sorted((state.root / "commands" / method).glob("*.json")):
        mine = path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            path.rename(mine)
            return json.loads(mine.read_text())
    return None


def obey(command):
    """What is to be printed instead of a reply; None to go on."""
    match command["do"]:
        case "error":
            error = {key: command.get(key, "" if key != "ok_to_retry" else False) for key in ("type", "message")}
            error["ok_to_retry"] = command.get("ok_to_retry", False)
            return json.dumps({"result": None, "error": error, "log": command.get("log", "")})
        case "print":
            return command["text"]
        case "crash":
            print("about to crash", file=sys.stderr, flush=True)
            os._exit(command.get("status", 3))
        case "flood":
            while True:
                os.write(1, b"x" * (1 << 20))
        case "hang":
            if command.get("is_stubborn"):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
            print(f"hanging with child {child.pid}", file=sys.stderr, flush=True)
            while True:
                signal.pause()
        case "hold":
            gate = select.poll()
            gate.register(os.open(command["fifo"], os.O_RDONLY | os.O_NONBLOCK), select.POLLIN)
            print("holding", file=sys.stderr, flush=True)
            gate.poll()
            return obey(command["then"]) if "then" in command else None
        case "whisper":
            os.write(2, command["text"].encode())
            return None


def answer(state, request):
    method = request["method"]
    if method not in METHODS:
        return None, {"type": "InvalidCall", "message": f"Method is not known, got {method}", "ok_to_retry": False}
    try:
        return getattr(state, method)(*request["arguments"]), None
    except CpiError as error:
        return None, {"type": error.name, "message": str(error), "ok_to_retry": error.ok_to_retry}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--api", type=int, default=2)
    parser.add_argument("--formats", default="local")
    parser.add_argument("--agent", action="store_true")
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    state = State(options.state, options)
    request = json.load(sys.stdin)
    record = json.dumps({**request, "environment": dict(os.environ), "pid": os.getpid()}) + "\n"
    calls = os.open(state.root / "calls.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(calls, record.encode())
    print(f"{request['method']} begins", file=sys.stderr, flush=True)
    command = next_command(state, request["method"])
    instead = obey(command) if command and not command.get("after") else None
    if instead is None:
        result, error = answer(state, request)
        instead = json.dumps({"result": result, "error": error, "log": f"{request['method']} was done"})
        if command and command.get("after"):
            instead = obey(command) or instead
    os.write(1, instead.encode())


if __name__ == "__main__":
    main()
