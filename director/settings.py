"""The director's settings: frozen, read once in ``main`` from DIRECTOR_* variables, handed on in pieces."""

import hashlib
import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from director.alert_settings import AlertSettings


class Settings(AlertSettings):
    """``state_dir`` holds all that must survive. docs/settings.md explains each.

    Ports of 0 are chosen by the system; ``state_dir/director.json`` tells the real ones.
    """

    model_config = SettingsConfigDict(env_prefix="DIRECTOR_", frozen=True, extra="ignore")

    name: str = "local"
    state_dir: Path
    run_dir: Path | None = None
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=25555, ge=0, le=65535)
    agents_host: str = "127.0.0.1"
    agents_port: int = Field(default=25581, ge=0, le=65535)
    enrol_port: int = Field(default=25580, ge=0, le=65535)
    agent_sockets: bool = True
    advertised_hosts: str = ""
    client: str = "admin"
    tasks_at_once: int = Field(default=16, ge=1)
    calls_in_flight: int = Field(default=32, ge=1)
    heartbeat_s: int = Field(default=10, ge=1)
    agent_wait_s: float = Field(default=600.0, gt=0)
    resume_tasks: bool = True
    orphans_kept_days: float = Field(default=5.0, ge=0)
    heal: bool = True
    patience_s: float | None = Field(default=None, gt=0)
    repairs_at_once: int = Field(default=32, ge=1)
    meltdown_count: int = Field(default=5, ge=1)
    meltdown_fraction: float = Field(default=0.2, gt=0, le=1)
    meltdown_window_s: float = Field(default=600.0, gt=0)
    upload_size_max: int = Field(default=10_000 * 1024 * 1024, gt=0)
    ready_fd: int | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """How VMs know this machine; empty: as it listens."""
        return tuple(host.strip() for host in self.advertised_hosts.split(",") if host.strip())

    @property
    def sockets_dir(self) -> Path:
        """A directory for sockets: their paths may have about a hundred characters, which a state directory may not."""
        return self.run_dir or default_run_dir(self.state_dir)


def default_run_dir(state_dir: Path) -> Path:
    """Short, the user's own, and another for every state directory."""
    name = f"director-{hashlib.sha256(str(state_dir.absolute()).encode()).hexdigest()[:10]}"
    if os.geteuid() == 0:
        return Path("/run") / name
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / name
    return Path("/tmp") / f"{name}-{os.geteuid()}"  # noqa: S108  (made with mode 0700 and checked to be ours)
