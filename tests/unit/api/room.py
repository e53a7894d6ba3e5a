"""The API over a world in dicts: a store, a driver that notes what it is asked, a task log, blobs, secrets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from director.api.app import build_app
from director.api.services import Credentials, Info, Services
from director.model.alert import Alert
from director.model.health import HealthReport
from director.model.names import (
    AgentId,
    BlobId,
    DeploymentName,
    PlanId,
    TaskId,
)
from director.model.plan import Plan
from director.model.problem import Problem
from director.model.record import (
    Config,
    DeploymentRecord,
    DiskRecord,
    Event,
    Record,
    Task,
    TaskState,
)
from director.model.release import Catalog
from director.model.sighting import SeenAgent
from director.ports.failure import BlobMissing, Conflict
from director.ports.infrastructure import Finding
from director.ports.store import (
    AddEvent,
    Change,
    DropConfig,
    DropSetting,
    EventQuery,
    PutInstance,
    PutSetting,
    TaskQuery,
)
from director.reconcile.drift import DriftReport
from director.reconcile.driver import description_of
from director.reconcile.fabric_report import NetworksReport
from director.reconcile.requests import Deploy, Request

NOW = 1_700_000_000.0
SECRET = "correct horse"


@dataclass
class FakeClock:
    """Time stands still unless a test moves it."""

    at: float = NOW

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass
class FakeStore:
    records: dict[str, Record] = field(default_factory=dict)
    all_tasks: dict[int, Task] = field(default_factory=dict)
    all_configs: list[Config] = field(default_factory=list)
    all_events: list[Event] = field(default_factory=list)
    orphans: list[DiskRecord] = field(default_factory=list)
    software: Catalog = field(default_factory=Catalog)
    settings: dict[str, Mapping[str, object]] = field(default_factory=dict)
    failure: Exception | None = None

    async def commit(self, *changes: Change) -> None:
        for change in changes:
            match change:
                case AddEvent():
                    self.all_events.append(replace(change.event, id=len(self.all_events) + 1))
                case PutInstance():
                    record = self.records[change.record.deployment]
                    others = tuple(i for i in record.instances if i.id != change.record.id)
                    self.records[change.record.deployment] = replace(record, instances=(*others, change.record))
                case PutSetting():
                    self.settings[change.name] = change.value
                case DropSetting():
                    self.settings.pop(change.name, None)
                case DropConfig():
                    self.all_configs = [c for c in self.all_configs if not _is_dropped(c, change)]
                case _:
                    raise AssertionError(change)

    async def add_config(self, type, name, content, at, *, expected_latest_id=None):
        latest = next(iter(await self.configs(type, name)), None)
        if expected_latest_id is not None and expected_latest_id != (latest.id if latest else 0):
            raise Conflict("The config was changed by somebody else.")
        if latest and latest.content == content:
            return latest
        config = Config(id=len(self.all_configs) + 1, type=type, name=name, content=content, created_at=at)
        self.all_configs = [replace(c, is_current=False) if c == latest else c for c in self.all_configs] + [config]
        return config

    async def configs(self, type=None, name=None, *, limit=1):
        chosen, counts = [], {}
        for config in reversed(self.all_configs):
            key = (config.type, config.name)
            if type in {None, config.type} and name in {None, config.name} and counts.get(key, 0) < limit:
                counts[key] = counts.get(key, 0) + 1
                chosen.append(config)
        return tuple(chosen)

    async def config(self, id: int) -> Config | None:
        return next((c for c in self.all_configs if c.id == id), None)

    async def deployments(self) -> tuple[DeploymentRecord, ...]:
        if self.failure:
            raise self.failure
        return tuple(record.deployment for record in self.records.values())

    async def deployment(self, name: DeploymentName) -> DeploymentRecord | None:
        record = self.records.get(name)
        return record.deployment if record else None

    async def record(self, name: DeploymentName) -> Record | None:
        return self.records.get(name)

    async def disks(self, *, orphaned=None) -> tuple[DiskRecord, ...]:
        assert orphaned is True
        return tuple(self.orphans)

    async def catalog(self) -> Catalog:
        return self.software

    async def task(self, id: TaskId) -> Task | None:
        return self.all_tasks.get(id)

    async def tasks(self, query: TaskQuery) -> tuple[Task, ...]:
        found = [
            task
            for task in sorted(self.all_tasks.values(), key=lambda t: -t.id)
            if (not query.states or task.state in query.states)
            and query.deployment in {None, task.deployment}
            and query.context_id in {None, task.context_id}
            and (not query.types or task.type in query.types)
        ]
        return tuple(found[: query.limit])

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        found = [
            event
            for event in reversed(self.all_events)
            if (query.before_id is None or event.id < query.before_id)
            and (query.before is None or event.at < query.before)
            and query.deployment in {None, event.deployment}
            and query.action in {None, event.action}
        ]
        return tuple(found[: query.limit])

    async def setting(self, name: str) -> Mapping[str, object] | None:
        return self.settings.get(name)


def _is_dropped(config: Config, drop: DropConfig) -> bool:
    return config.id == drop.id if drop.id else (config.type, config.name) == (drop.type, drop.name)


@dataclass
class FakeLog:
    """A task log in memory; pushes as the real one does."""

    texts: dict[tuple[int, str], bytes] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    waited_s: list[float] = field(default_factory=list)

    def put(self, task: int, kind: str, text: str) -> None:
        self.texts[(task, kind)] = self.texts.get((task, kind), b"") + text.encode()

    async def append(self, task: int, kind: str, text: str) -> None:
        self.put(task, kind, text)
        async with self.changed:
            self.changed.notify_all()

    async def close(self, task: int) -> None:
        self.closed.add(task)
        async with self.changed:
            self.changed.notify_all()

    def size(self, task: int, kind: str) -> int:
        return len(self.texts.get((task, kind), b""))

    def read(self, task: int, kind: str, offset: int = 0, size_max: int | None = None) -> bytes:
        text = self.texts.get((task, kind), b"")
        return text[offset : None if size_max is None else offset + size_max]

    async def await_more(self, task: int, kind: str, offset: int, timeout_s: float) -> bool:
        self.waited_s.append(timeout_s)
        async with self.changed:
            await self.changed.wait_for(lambda: task in self.closed or self.size(task, kind) > offset)
        return self.size(task, kind) > offset


@dataclass
class FakeDriver:
    """Notes every request; ``ends`` says how the task of each stands right after it was asked for."""

    store: FakeStore
    log: FakeLog
    asked: list[Request] = field(default_factory=list)
    refusal: Exception | None = None
    locks: dict[str, TaskId] = field(default_factory=dict)
    state: TaskState = TaskState.DONE
    results: dict[type, tuple[str, str]] = field(default_factory=dict)
    """By request class: the task's result, and the text of its result output."""

    async def check(self, request: Deploy) -> Plan:
        if self.refusal:
            raise self.refusal
        self.asked.append(request)
        return Plan(id=PlanId("p"), deployment=DeploymentName(request.deployment), parent=0)

    async def submit(self, request: Request, *, user: str, context_id: str = "") -> Task:
        if self.refusal:
            raise self.refusal
        self.asked.append(request)
        result, output = self.results.get(type(request), ("", ""))
        deployment = getattr(request, "deployment", None)
        task = Task(
            id=TaskId(len(self.store.all_tasks) + 1),
            type=request.task_type,
            state=self.state,
            description=description_of(request),
            user=user,
            deployment=DeploymentName(deployment) if deployment else None,
            context_id=context_id,
            created_at=NOW,
            started_at=NOW,
            changed_at=NOW + 1,
            result=result,
        )
        self.store.all_tasks[task.id] = task
        if output:
            self.log.put(task.id, "result", output)
        return task

    async def cancel(self, task: TaskId) -> bool:
        known = self.store.all_tasks[task]
        if known.state.is_final:
            return False
        self.store.all_tasks[task] = replace(known, state=TaskState.CANCELLING)
        return True

    def is_locked(self, deployment: str) -> TaskId | None:
        return self.locks.get(deployment)


@dataclass
class FakeAgents:
    known: dict[AgentId, SeenAgent] = field(default_factory=dict)

    def seen(self) -> Mapping[AgentId, SeenAgent]:
        return self.known


@dataclass
class FakeBlobs:
    kept: dict[str, bytes] = field(default_factory=dict)

    async def has(self, blob: BlobId) -> bool:
        return blob in self.kept

    async def read(self, blob: BlobId, *, chunk: int = 4) -> AsyncIterator[bytes]:
        if blob not in self.kept:
            raise BlobMissing(f"There is no blob {blob}.")
        return self._chunks(self.kept[blob], chunk)

    async def _chunks(self, content: bytes, chunk: int) -> AsyncIterator[bytes]:
        for start in range(0, len(content), chunk):
            yield content[start : start + chunk]


@dataclass
class FakeSecrets:
    kept: dict[str, list[str]] = field(default_factory=dict)

    async def names(self, deployment: DeploymentName) -> Sequence[tuple[str, str]]:
        return tuple((f"id-{name}", name) for name in sorted(self.kept.get(deployment, [])))

    async def forget(self, deployment: DeploymentName, name: str | None = None) -> None:
        self.kept[deployment].remove(name)


@dataclass
class Room:
    """The app, and everything behind it that a test may look at."""

    uploads: Path
    store: FakeStore = field(default_factory=FakeStore)
    log: FakeLog = field(default_factory=FakeLog)
    agents: FakeAgents = field(default_factory=FakeAgents)
    blobs: FakeBlobs = field(default_factory=FakeBlobs)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    clock: FakeClock = field(default_factory=FakeClock)
    upload_size_max: int = 10_000_000
    drift: DriftReport = field(default_factory=DriftReport)
    drift_of: list[DeploymentName | None] = field(default_factory=list)
    networks: NetworksReport = field(default_factory=NetworksReport)
    networks_of: list[tuple[DeploymentName | None, bool]] = field(default_factory=list)
    findings: Sequence[Finding] = ()
    cpi_problems: Sequence[Problem] = ()
    metrics_token: str = ""
    alerts: tuple[Alert, ...] = ()
    health: HealthReport = field(default_factory=lambda: HealthReport(at=NOW, wall=NOW))

    def __post_init__(self) -> None:
        self.driver = FakeDriver(store=self.store, log=self.log)
        self.app = build_app(
            Services(
                store=self.store,
                driver=self.driver,
                agents=self.agents,
                blobs=self.blobs,
                tasklog=self.log,
                secrets=self.secrets,
                info=Info(name="test", uuid="u-1", version="0.1.0 (00000000)", cpi="local"),
                credentials=Credentials(client="admin", secret=SECRET, metrics_token=self.metrics_token),
                uploads_dir=self.uploads,
                clock=self.clock,
                encode_plan=lambda plan: {"id": plan.id},
                explain_plan=lambda plan: f"plan of {plan.deployment}",
                drift=self._drift,
                networks=self._networks,
                examine=self._examine,
                bundle_file=lambda: None,
                check_cpis=lambda text, file: self.cpi_problems,
                health=lambda: self.health,
                metrics=lambda accept: (f"said to {accept}".encode(), "text/plain"),
                recent_alerts=lambda: self.alerts,
                upload_size_max=self.upload_size_max,
            )
        )

    async def _drift(self, deployment: DeploymentName | None) -> DriftReport:
        self.drift_of.append(deployment)
        return self.drift

    async def _networks(self, deployment: DeploymentName | None, looks: bool) -> NetworksReport:
        self.networks_of.append((deployment, looks))
        return self.networks

    async def _examine(self) -> Sequence[Finding]:
        return self.findings

    def client(self, **more) -> httpx.AsyncClient:
        auth = more.pop("auth", ("admin", SECRET))
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="https://director", auth=auth, **more)

    async def ask(self, method: str, path: str, **more) -> httpx.Response:
        async with self.client() as client:
            return await client.request(method, path, **more)

    async def get(self, path: str, **more):
        answer = await self.ask("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextlib.contextmanager
def raising(room: Room, error: Exception):
    """Whatever lists deployments fails."""
    room.store.failure = error
    yield
    room.store.failure = None
