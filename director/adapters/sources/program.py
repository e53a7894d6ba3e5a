"""Runs the ``git`` program: no shell, no question to anybody, a deadline, and its whole group ended when that is over.

Credentials are the affair of git's own helpers and of ssh: none is ever in arguments, and what git says is
cleaned of those a configuration may have put into an address.
"""

import asyncio
import os
import re
import resource
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from director.ports.sources import SourceFailure

DEADLINE_S: Final = 60.0
WRITTEN_MAX: Final = 512 * 1024 * 1024
"""Bytes of any file that git may write: the newest commit of a repository of manifests has a thousandth of it."""
_SAID_MAX: Final = 300

_SAFE: Final = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "safe.bareRepository=all"),
)
_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=20",
    "GIT_ALLOW_PROTOCOL": "https:ssh:file",
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C",
}
_KEPT: Final = (
    "HOME",
    "PATH",
    "SSH_AUTH_SOCK",
    "XDG_CONFIG_HOME",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
)
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]*@")


async def run_git(*arguments: str, within: Path | None = None) -> bytes:
    """What it printed. ``within`` is a bare repository. Raises SourceFailure with git's own words, cleaned."""
    where = [f"--git-dir={within}"] if within else []
    environment = {key: os.environ[key] for key in _KEPT if key in os.environ} | _ENVIRONMENT
    try:
        process = await asyncio.create_subprocess_exec(
            "git", *_SAFE, *where, *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SourceFailure("The director's machine has no git program. Install it.") from error
    try:
        with suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (WRITTEN_MAX, WRITTEN_MAX))
        async with asyncio.timeout(DEADLINE_S):
            out, said = await process.communicate()
    except TimeoutError as error:
        raise SourceFailure(f"git {arguments[0]} did not end within {DEADLINE_S:g} s.") from error
    finally:
        await _end(process)
    if process.returncode:
        raise SourceFailure(f"git {arguments[0]} failed: {_cleaned(said.decode(errors='replace'))}")
    return out


async def _end(process: asyncio.subprocess.Process) -> None:
    """With all it started: ssh and the helper of https outlive a killed git."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _cleaned(said: str) -> str:
    """The last lines, in one, without credentials."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = _CREDENTIALS.sub("***@", " ".join(lines[-3:])) or "it said nothing"
    return text if len(text) <= _SAID_MAX else f"{text[:_SAID_MAX]}…"
