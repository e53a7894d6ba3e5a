"""VMware's guestinfo: variables of the VM that both vCenter and the guest see. Reads and overwrites, decides nothing.

Source: agent-cpi-vsphere 1.3. ``vmware-rpctool`` comes with open-vm-tools; ``vmtoolsd --cmd`` says the same.
"""

import base64
import binascii
import gzip
import shutil
import subprocess
import zlib

from agent.failure import Failed

USED = "---"
"""What a variable is overwritten with once it was read, so that it can be read only once."""
_ANSWER_MAX_S = 20.0


def get(name: str) -> str:
    """Empty when there is none, when it was read before, or when this is no VMware VM."""
    done = _ask(f"info-get {name}")
    value = "" if done is None or done.returncode else done.stdout.strip()
    return "" if value == USED else value


def put(name: str, value: str) -> None:
    """Raises Failed, without the value."""
    done = _ask(f"info-set {name} {value}")
    if done is None or done.returncode:
        raise Failed(f"{name} could not be overwritten, so it stays readable in vCenter until the director removes it")


def decoded(value: str, encoding: str) -> bytes:
    """Raises Failed for what is not what ``encoding`` says (base64, gzip+base64 or nothing)."""
    try:
        if "base64" not in encoding and "b64" not in encoding:
            return value.encode()
        content = base64.b64decode(value)
        return gzip.decompress(content) if encoding.startswith(("gzip", "gz")) else content
    except (binascii.Error, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Failed(f"guestinfo is not the {encoding} it says it is ({type(error).__name__})") from error


def _ask(words: str) -> "subprocess.CompletedProcess[str] | None":
    """None where there is nobody to ask."""
    if program := shutil.which("vmware-rpctool"):
        argv = [program, words]
    elif program := shutil.which("vmtoolsd"):
        argv = [program, "--cmd", words]
    else:
        return None
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ANSWER_MAX_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{program} gave no answer in {_ANSWER_MAX_S:.0f} s") from error
