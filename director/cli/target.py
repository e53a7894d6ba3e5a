"""Which director a command talks to: the one named by flags or BOSH_* variables, else the one on this machine."""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from director.cli.errors import CommandFailed, Exit

DEFAULT_PORT: Final = 25555
FULL_BELOW: Final = 1 << 20
"""Bytes. With less than this left a record cannot grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``hint`` says what to do when it does not answer, ``credentials_hint`` when it does not let us in.

    ``directory`` is where a director on this machine keeps everything.
    """

    url: str
    client: str
    client_secret: str = field(repr=False)
    ca_certificate: str = field(default="", repr=False)
    hint: str = ""
    credentials_hint: str = "Check --client and --client-secret (BOSH_CLIENT, BOSH_CLIENT_SECRET)."
    directory: Path | None = None

    @property
    def remedy(self) -> str:
        """``hint``, after the likely cause: a director whose disk is full cannot say so itself."""
        if self.directory and self.directory.is_dir() and shutil.disk_usage(self.directory).free < FULL_BELOW:
            return f"The disk of {self.directory} is full: free some space on it. {self.hint}"
        return self.hint


def state_dir() -> Path:
    """Where the local director keeps everything: $DIRECTOR_STATE_DIR, else the user's data directory."""
    if given := os.environ.get("DIRECTOR_STATE_DIR"):
        return Path(given).absolute()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data).absolute() / "director"


def local_facts() -> dict[str, Any] | None:
    """What the local director wrote about itself when it was last ready; None when it never was."""
    path = state_dir() / "director.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CommandFailed(f"{path} is not what a director writes: {error}.", Exit.NO_DIRECTOR) from error
    return found


def local_secret(facts: dict[str, Any]) -> str:
    return _read(facts["client_secret_file"], "The local director's secret").strip()


def local_target() -> Target | None:
    """The local director's address and credentials, if one has ever been started here."""
    facts = local_facts()
    if facts is None:
        return None
    return Target(
        url=facts["url"],
        client=facts["client"],
        client_secret=local_secret(facts),
        ca_certificate=_read(facts["ca_file"], "The local director's CA certificate"),
        hint="Start it with `director local start`.",
        credentials_hint=f"Another director listens there than the one of {state_dir()}.",
        directory=state_dir(),
    )


def named_target(environment: str, client: str, client_secret: str, ca_cert: str) -> Target:
    """A target as ``bosh`` takes it: a host, host:port or URL; the CA as PEM text or a file's path."""
    is_text = "BEGIN CERTIFICATE" in ca_cert or not ca_cert
    return Target(
        url=_url_of(environment),
        client=client,
        client_secret=client_secret,
        ca_certificate=ca_cert if is_text else _read(ca_cert, "The CA certificate"),
        hint="Check --environment and --ca-cert (BOSH_ENVIRONMENT, BOSH_CA_CERT).",
    )


def _url_of(environment: str) -> str:
    message = f"{environment} is no address of a director: write HOST, HOST:PORT or https://HOST:PORT."
    wrong = CommandFailed(message, Exit.BAD_INPUT)
    try:
        parts = urlsplit(environment if "://" in environment else f"https://{environment}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        raise wrong from None
    if parts.scheme != "https" or not host:
        raise wrong
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _read(path: str, what: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise CommandFailed(f"{what} cannot be read from {path}: {why}.", Exit.BAD_INPUT) from error
