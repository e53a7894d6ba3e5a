"""What the handlers work with, handed in by main. Values and ports only; decides nothing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from starlette.requests import Request

from director.model.alert import Alert
from director.model.health import HealthReport
from director.model.names import DeploymentName
from director.model.plan import Plan
from director.model.problem import Problem
from director.model.tree import Tree
from director.ports.agents import Agents
from director.ports.blobs import Blobs
from director.ports.clock import Clock
from director.ports.infrastructure import Finding
from director.ports.secrets import Secrets
from director.ports.store import Store
from director.ports.tasklog import TaskLog
from director.reconcile.drift import DriftReport
from director.reconcile.driver import Driver
from director.reconcile.fabric_report import NetworksReport
from director.reconcile.steady import Steady
from director.reconcile.unused import ORPHANS_KEPT_S

EncodePlan: TypeAlias = Callable[[Plan], Tree]
ExplainPlan: TypeAlias = Callable[[Plan], str]
CheckCpis: TypeAlias = Callable[[str, str], Sequence[Problem]]
"""Everything wrong with the properties in a CPI config's text, given with its file, as its infrastructures see them."""
FindDrift: TypeAlias = Callable[[DeploymentName | None], Awaitable[DriftReport]]
ShowNetworks: TypeAlias = Callable[[DeploymentName | None, bool], Awaitable[NetworksReport]]
"""Of one deployment or of all; whether fabrics are to be looked at."""
Examine: TypeAlias = Callable[[], Awaitable[Sequence[Finding]]]

UPLOAD_SIZE_MAX = 10_000 * 1024 * 1024
"""Bytes of one upload; BOSH's own limit (section 6.1)."""


def _no_metrics(accept: str) -> tuple[bytes, str]:
    del accept
    return b"", "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What ``GET /info`` tells. ``cpi`` names the infrastructure."""

    name: str
    uuid: str
    version: str
    cpi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    client: str
    secret: str = field(repr=False)
    metrics_token: str = field(default="", repr=False)
    """Lets its bearer read /metrics, and nothing else. Empty: nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """``uploads_dir`` exists and is the director's own (0700); tasks remove what they took from it."""

    store: Store
    driver: Driver
    agents: Agents
    blobs: Blobs
    tasklog: TaskLog
    secrets: Secrets
    info: Info
    credentials: Credentials
    uploads_dir: Path
    clock: Clock
    encode_plan: EncodePlan
    explain_plan: ExplainPlan
    drift: FindDrift
    networks: ShowNetworks
    examine: Examine
    bundle_file: Callable[[], Path | None]
    check_cpis: CheckCpis
    health: Callable[[], HealthReport]
    upload_size_max: int = UPLOAD_SIZE_MAX
    orphans_kept_s: float = ORPHANS_KEPT_S
    """How long a clean-up leaves an orphaned disk."""
    metrics: Callable[[str], tuple[bytes, str]] = _no_metrics
    """The exposition and its content type, for who sends this Accept."""
    recent_alerts: Callable[[], Sequence[Alert]] = tuple
    """Newest first."""
    steady: Steady | None = None
    """Keeps deployments as wanted; told here of configs that were written."""

    def poke(self) -> None:
        """A config was written: what is made from it may have to change."""
        if self.steady is not None:
            self.steady.poke()


def services_of(request: Request) -> Services:
    """The Services of the app this request came to."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found
