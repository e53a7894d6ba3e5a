"""The director's settings: frozen, read once in ``main`` from DIRECTOR_* variables, handed on in pieces."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """``state_dir`` holds all that must survive; ``run_dir`` the sockets, on a path short enough for them.

    Ports of 0 are chosen by the system and written to ``state_dir/director.json``.
    """

    model_config = SettingsConfigDict(env_prefix="DIRECTOR_", frozen=True, extra="ignore")

    name: str = "local"
    state_dir: Path
    run_dir: Path
    api_host: str = "127.0.0.1"
    api_port: int = 25555
    agents_host: str = "127.0.0.1"
    agents_port: int = 25581
    enrol_port: int = 25580
    client: str = "admin"
    tasks_at_once: int = 16
    calls_in_flight: int = 32
    heartbeat_s: int = 10
    agent_wait_s: float = 600.0
    upload_size_max: int = 10_000 * 1024 * 1024
