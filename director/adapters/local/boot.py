"""Starts a VM and kills it: the namespaces, and the hand-over between the director and the VM's ``init.sh``.

    director                               pid 1 of the VM
      unshare --pid --mount … init.sh  ──▶  joins its control groups
      writes the pid down              ◀──  its pid, then makes its mounts
      connects its network
      "go"                             ──▶  sets its addresses, changes root
      lets go of it                    ◀──  "ready", then starts the agent

Until "go" the VM dies with the director, because its pipe ends; from then on neither pipe nor parent ties them.
"""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from director.adapters.local.process import PATH, Process, ended, find_program, is_alive, kill, know, readable, run
from director.ports.failure import InfrastructureFailure

BOOT_TIMEOUT_S: Final = 60.0
KILL_TIMEOUT_S: Final = 30.0
_LOG_SHOWN: Final = 2000
SYSCTLS: Final = Path("/proc/sys")
INIT: Final = Path(__file__).with_name("init.sh")
_JOIN: Final = 'while read -r group; do echo 0 >"$group"; done <"$0"; exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """``vm`` is its directory, ``root`` where it puts its root together.

    ``own_network``: a network namespace, which needs root; without it a user namespace gives the other ones.
    ``is_machine``: its groups are its whole view of groups (machine.py), and nothing of the host is in it.
    """

    vm: Path
    root: Path
    hostname: str
    agent_command: tuple[str, ...]
    own_network: bool
    is_machine: bool = False


def unshare_command(*, own_network: bool) -> list[str]:
    kinds = ["--net"] if own_network else ["--user", "--map-root-user"]
    return [find_program("unshare", "util-linux"), *kinds, "--mount", "--pid", "--uts", "--ipc", "--fork"]


async def check_machine(*, own_network: bool) -> None:
    """Raises InfrastructureFailure with what to change, when this machine cannot make a VM's namespaces."""
    for program, package in (("mount", "util-linux"), ("pivot_root", "util-linux"), ("sh", "dash")):
        find_program(program, package)
    if own_network:
        find_program("ip", "iproute2")
    try:
        await run([*unshare_command(own_network=own_network), "true"], timeout_s=BOOT_TIMEOUT_S)
    except InfrastructureFailure as failure:
        raise InfrastructureFailure(f"VMs cannot be made here: {failure} {_advice(own_network)}") from failure


def _advice(own_network: bool) -> str:
    if own_network:
        return "Root is not enough: the director needs CAP_SYS_ADMIN and CAP_NET_ADMIN (in a container: --privileged)."
    for name, off in (
        ("kernel/unprivileged_userns_clone", "0"),
        ("user/max_user_namespaces", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        setting = SYSCTLS / name
        if setting.exists() and setting.read_text().strip() == off:
            return f"Unprivileged user namespaces are off: set the sysctl {name.replace('/', '.')} (now {off})."
    return "Unprivileged user namespaces do not work on this machine: run the director as root."


async def start(launch: Launch, connect: Callable[[Process], Awaitable[None]], boot: str) -> Process:
    """Returns when the agent is about to run. ``connect`` writes the process down and gives it its network."""
    with (launch.vm / "log").open("ab") as log:
        child = subprocess.Popen(  # noqa: ASYNC220  spawning is a vfork; the waiting below is asynchronous
            [*unshare_command(own_network=launch.own_network), *_init_command(launch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(is_machine=launch.is_machine),
            cwd="/",
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(BOOT_TIMEOUT_S):
            return await _hand_over(launch, child, connect, boot)
    except TimeoutError as error:
        raise InfrastructureFailure(f"{launch.vm.name} did not boot in {BOOT_TIMEOUT_S:.0f} s.") from error
    finally:
        await _let_go(child)


def _init_command(launch: Launch) -> list[str]:
    shell = find_program("sh", "dash")
    return [
        *(_enter_groups(launch.vm, shell) if launch.is_machine else ()),
        shell,
        str(INIT),
        str(launch.vm),
        str(launch.root),
        launch.hostname,
        *launch.agent_command,
    ]


def _enter_groups(vm: Path, shell: str) -> tuple[str, ...]:
    """The top of a cgroup namespace is the group of whoever makes it (cgroup_namespaces(7)), so that comes first."""
    return shell, "-c", _JOIN, str(vm / "groups"), find_program("unshare", "util-linux"), "--cgroup"


def environment(*, is_machine: bool) -> dict[str, str]:
    """What a VM's init gives its services: nothing of the director's, whose variables may be secret."""
    own = {"PATH": PATH, "HOME": "/root", "USER": "root", "LOGNAME": "root", "LANG": "C.UTF-8"}
    shown = () if is_machine else ("PYTHONPATH",)
    return own | {key: os.environ[key] for key in shown if key in os.environ}


async def _hand_over(
    launch: Launch, child: subprocess.Popen[bytes], connect: Callable[[Process], Awaitable[None]], boot: str
) -> Process:
    assert child.stdin is not None
    assert child.stdout is not None
    first = await _line(child.stdout)
    process = know(int(first), boot) if first.isdigit() else None
    if process is None:
        raise _failed(launch)
    try:
        await connect(process)
        await _go(launch, child.stdin, child.stdout)
    except BaseException as error:
        if isinstance(error, InfrastructureFailure) and not is_alive(process, boot):
            raise _failed(launch) from error  # what it said itself tells more than what its death broke
        # Half a VM must not live on to be adopted as a whole one.
        await asyncio.shield(kill(process, KILL_TIMEOUT_S))
        raise
    return process


async def _go(launch: Launch, stdin: IO[bytes], stdout: IO[bytes]) -> None:
    with suppress(BrokenPipeError):  # it has died: the line below then does not come
        os.write(stdin.fileno(), b"go\n")
    if await _line(stdout) != "ready":
        raise _failed(launch)


async def _line(pipe: IO[bytes]) -> str:
    """One short line, or nothing at the pipe's end. Each line of init.sh is one write, far below a pipe's size."""
    await readable(pipe.fileno())
    return os.read(pipe.fileno(), 4096).decode().strip()


async def _let_go(child: subprocess.Popen[bytes]) -> None:
    """Ends ``unshare``, the VM's parent: the VM then belongs to the machine's own pid 1, who reaps it one day."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    child.kill()
    await asyncio.shield(ended(child, KILL_TIMEOUT_S, "unshare"))


def _failed(launch: Launch) -> InfrastructureFailure:
    with (launch.vm / "log").open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_SHOWN))
        said = log.read().decode(errors="replace").strip()
    return InfrastructureFailure(f"{launch.vm.name} did not boot: {said or 'it ended without a word'}")


def hostname_of(name: str) -> str:
    """A VM's name as one DNS label."""
    return "".join(char if char.isalnum() and char.isascii() else "-" for char in name)[:63].strip("-") or "vm"
