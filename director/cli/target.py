"""Which director a command talks to: the one named by flags or BOSH_* variables, else the one on this machine."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from director.cli.errors import CommandFailed, Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``hint`` says what to do when it does not answer."""

    url: str
    client: str
    client_secret: str = field(repr=False)
    ca_certificate: str = ""
    hint: str = ""


def state_dir() -> Path:
    """Where the local director keeps everything: $DIRECTOR_STATE_DIR, else the user's data directory."""
    if given := os.environ.get("DIRECTOR_STATE_DIR"):
        return Path(given).absolute()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "director"


def local_target() -> Target | None:
    """The local director's address and credentials, if one has ever been started here."""
    path = state_dir() / "director.json"
    try:
        facts = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return Target(
        url=facts["url"],
        client=facts["client"],
        client_secret=Path(facts["client_secret_file"]).read_text().strip(),
        ca_certificate=Path(facts["ca_file"]).read_text(),
        hint="Start it with `director local start`.",
    )


def named_target(environment: str, client: str, client_secret: str, ca_cert: str) -> Target:
    """A target as ``bosh`` takes it: a host, host:port or URL; the CA as PEM text or a file's path."""
    url = environment if "://" in environment else f"https://{environment}"
    if not url.startswith("https://"):
        raise CommandFailed(f"{environment} is no https address.", Exit.BAD_INPUT)
    port = "" if url.rpartition(":")[2].isdigit() else ":25555"
    return Target(
        url=url.rstrip("/") + port,
        client=client,
        client_secret=client_secret,
        ca_certificate=ca_cert if "BEGIN CERTIFICATE" in ca_cert or not ca_cert else _read(ca_cert),
        hint="Check --environment and --ca-cert (BOSH_ENVIRONMENT, BOSH_CA_CERT).",
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise CommandFailed(f"The CA certificate {path} cannot be read: {error.strerror}.", Exit.BAD_INPUT) from error
