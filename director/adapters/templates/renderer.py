"""The Renderer port: reads job archives, fills what is new, gives each instance its content.

Decides what is filled at all: equal jobs with equal trees once, and not again while they are remembered.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from director.adapters.templates.cache import SizedCache
from director.adapters.templates.context import Contexts, Work
from director.adapters.templates.fault import NUMBER, Fault, FaultAt, Veil, problems_of
from director.adapters.templates.jinja import fill_jinja
from director.adapters.templates.ruby import Order, RubyUnusable, RubyWorker
from director.adapters.templates.schema import schema_faults
from director.adapters.templates.source import Engine, JobSource, TemplateFile, read_source
from director.model.problem import Problem, Refused
from director.model.wanted import Content, RenderedFile, RenderedJob
from director.ports.blobs import Blobs
from director.ports.renderer import RenderRequest

RUBY: Final = shutil.which("ruby")
SOURCES_MAX: Final = 64 * 1024 * 1024
RENDERED_MAX: Final = 64 * 1024 * 1024
SCHEMA: Final = "properties_schema.json"
OVERHEAD: Final = 1024
"""What an entry costs beside its bytes, so that a million empty ones are not free."""

Filled = dict[tuple[str, str], bytes | Fault]
"""By work key and template key."""


class TemplateRenderer:
    """``cache_dir`` is where the Ruby worker runs. ``ruby`` None: ERB templates are refused, all else works."""

    def __init__(
        self, blobs: Blobs, cache_dir: Path, ruby: str | None = RUBY, *, reply_timeout_s: float = 15.0
    ) -> None:
        self._blobs = blobs
        self._worker = RubyWorker(ruby, cache_dir / "ruby", reply_timeout_s=reply_timeout_s) if ruby else None
        self._sources: SizedCache[JobSource] = SizedCache(SOURCES_MAX)
        self._rendered: SizedCache[RenderedJob] = SizedCache(RENDERED_MAX)

    async def render(self, requests: Sequence[RenderRequest]) -> tuple[Content, ...]:
        """As the port says. Raises Failure when a job's archive is gone or broken."""
        sources = await self._read_sources(requests)
        works, keys = _plan(requests, sources)
        new = {key: work for key, work in works.items() if self._rendered.get(key) is None}
        rendered = {key: job for key in works if (job := self._rendered.get(key)) is not None}
        rendered.update(await self._fill(new, requests))
        for key, job in rendered.items():
            self._rendered.put(key, job, OVERHEAD + len(job.monit) + sum(len(file.content) for file in job.files))
        return tuple(Content(jobs=tuple(rendered[key] for key in row)) for row in keys)

    async def close(self) -> None:
        if self._worker is not None:
            await self._worker.close()

    async def _read_sources(self, requests: Sequence[RenderRequest]) -> dict[str, JobSource]:
        jobs = {wanted.job.blob: wanted.job for request in requests for wanted in request.jobs}
        sources: dict[str, JobSource] = {}
        for blob, job in jobs.items():
            source = self._sources.get(blob)
            if source is None:
                source = await asyncio.to_thread(read_source, await self._blobs.path_of(blob), job)
                self._sources.put(blob, source, OVERHEAD + source.size)
            sources[blob] = source
        return sources

    async def _fill(self, works: dict[str, Work], requests: Sequence[RenderRequest]) -> dict[str, RenderedJob]:
        if not works:
            return {}
        filled, faults = await asyncio.to_thread(_fill_here, works)
        problems = await self._fill_erb(works, filled)
        faults += _faults(works, filled)
        if faults:
            veil = Veil({name: value for request in requests for name, value in request.values.items()})
            problems += problems_of((at, replace(fault, reason=veil.over(fault.reason))) for at, fault in faults)
        if problems:
            raise Refused(problems)
        return {key: _assemble(work, filled) for key, work in works.items()}

    async def _fill_erb(self, works: dict[str, Work], filled: Filled) -> list[Problem]:
        """Adds to ``filled``; without a working Ruby gives one problem that says so instead."""
        asked = [(key, work, file) for key, work in works.items() for file in work.source.all_files if _is_erb(file)]
        if not asked:
            return []
        if self._worker is None:
            return [_no_ruby("There is no Ruby on the director's PATH", asked)]
        texts = {key: work.text() for key, work, _ in asked}
        orders = [Order(template=file, job=work.job.name, spec=texts[key]) for key, work, file in asked]
        try:
            results = await self._worker.fill(orders)
        except RubyUnusable as error:
            return [_no_ruby(str(error).rstrip("."), asked)]
        filled.update({(key, file.key): result for (key, _, file), result in zip(asked, results, strict=True)})
        return []


def _plan(requests: Sequence[RenderRequest], sources: dict[str, JobSource]) -> tuple[dict[str, Work], list[list[str]]]:
    """Every distinct work, and the keys of each request's jobs. Raises Refused for variables without value."""
    works: dict[str, Work] = {}
    keys: list[list[str]] = []
    contexts: dict[int, Contexts] = {}
    for request in requests:
        context = contexts.setdefault(id(request.values), Contexts(request.values))
        row: list[str] = []
        for wanted in request.jobs:
            tree, digest = context.tree_of(request, wanted)
            key = f"{wanted.job.blob}/{wanted.job.name}/{digest}"
            known = works.get(key)
            labels = (*known.labels, request.label) if known else (request.label,)
            works[key] = Work(key=key, job=wanted.job, source=sources[wanted.job.blob], tree=tree, labels=labels)
            row.append(key)
        keys.append(row)
    for context in contexts.values():
        context.check()
    return works, keys


def _fill_here(works: dict[str, Work]) -> tuple[Filled, list[tuple[FaultAt, Fault]]]:
    """All that needs no Ruby, and what breaks a schema. Blocks."""
    filled: Filled = {}
    faults: list[tuple[FaultAt, Fault]] = []
    for key, work in works.items():
        for fault in schema_faults(work.job, work.tree["properties"]):
            faults += _at_each(work, SCHEMA, fault)
        for file in work.source.all_files:
            if file.engine is Engine.JINJA:
                filled[key, file.key] = fill_jinja(file, work.tree, work.job.name)
            elif file.engine is Engine.LITERAL:
                filled[key, file.key] = file.content
    return filled, faults


def _is_erb(file: TemplateFile) -> bool:
    return file.engine is Engine.ERB


def _faults(works: dict[str, Work], filled: Filled) -> list[tuple[FaultAt, Fault]]:
    return [
        at
        for key, work in works.items()
        for file in work.source.all_files
        if isinstance(result := filled.get((key, file.key)), Fault)
        for at in _at_each(work, file.name, result)
    ]


def _at_each(work: Work, file: str, fault: Fault) -> list[tuple[FaultAt, Fault]]:
    return [(FaultAt(label=label, job=work.job.name, file=file), fault) for label in work.labels]


def _no_ruby(what: str, asked: Iterable[tuple[str, Work, TemplateFile]]) -> Problem:
    files: dict[str, dict[str, None]] = {}
    for _, work, file in asked:
        files.setdefault(work.job.name, {})[file.name] = None
    listed = "; ".join(f"{', '.join(names)} of job {job}" for job, names in sorted(files.items()))
    return Problem(
        code="render.no-ruby",
        summary="ERB templates need Ruby",
        detail=f"{what}, and these templates are ERB: {listed}.",
        fix="install the package ruby where the director runs (Debian, Ubuntu, Fedora: ruby).",
        number=NUMBER,
    )


def _assemble(work: Work, filled: Filled) -> RenderedJob:
    files = tuple(
        RenderedFile(path=file.path, content=_content(filled[work.key, file.key]), mode=file.mode)
        for file in sorted(work.source.files, key=lambda file: file.path)
    )
    monit = _content(filled[work.key, work.source.monit.key])
    return RenderedJob(
        name=work.job.name, files=files, monit=monit.decode(errors="replace"), digest=_digest(files, monit)
    )


def _content(result: bytes | Fault) -> bytes:
    assert isinstance(result, bytes), "faults were refused before"
    return result


def _digest(files: Iterable[RenderedFile], monit: bytes) -> str:
    """sha256 over each file's path, mode and content by sorted path, then monit; lengths keep them apart."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.mode:o}\0{len(file.content)}\0".encode())
        digest.update(file.content)
    digest.update(f"monit\0{len(monit)}\0".encode())
    digest.update(monit)
    return digest.hexdigest()
