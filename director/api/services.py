"""What the handlers work with, handed in by main. Values and ports only; decides nothing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from starlette.requests import Request

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
    upload_size_max: int = UPLOAD_SIZE_MAX


def services_of(request: Request) -> Services:
    """The Services of the app this request came to."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found
