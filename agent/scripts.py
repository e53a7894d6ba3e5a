"""Runs ``bin/<name>`` of every job that has it, all at once (1.15): pre-start, post-start, pre-stop, …"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent import process
from agent.failure import Failed
from agent.launch import open_log
from agent.layout import Layout
from agent.tail import last_lines
from agent.together import gather_all

_LAST_LINES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``problem`` is empty when it went well."""

    job: str
    problem: str = ""


async def run_scripts(name: str, jobs: Iterable[str], env: Mapping[str, str], layout: Layout) -> None:
    """Raises Failed, after all have ended, with each failed job's exit code and last lines of stderr."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise Failed(f'"{name}" is not a name of a script')
    having = [job for job in jobs if script_of(job, name, layout).exists()]
    check(name, await gather_all([_run_one(name, job, env, layout) for job in having]))


def script_of(job: str, name: str, layout: Layout) -> Path:
    return layout.job(job) / "bin" / name


def check(name: str, outcomes: Iterable[Outcome]) -> None:
    """Raises Failed when any went wrong, in the words BOSH's users know."""
    all_of_them = sorted(outcomes, key=lambda outcome: outcome.job)
    failed = [outcome for outcome in all_of_them if outcome.problem]
    if not failed:
        return
    fine = ", ".join(outcome.job for outcome in all_of_them if not outcome.problem) or "none"
    raise Failed(
        f"{len(failed)} of {len(all_of_them)} {name} scripts failed. "
        f"Failed Jobs: {', '.join(outcome.job for outcome in failed)}. Successful Jobs: {fine}."
        + "".join(f"\n{outcome.job}: {outcome.problem}" for outcome in failed)
    )


async def _run_one(name: str, job: str, env: Mapping[str, str], layout: Layout) -> Outcome:
    log = layout.log(job)
    stdout_path, stderr_path = log / f"{name}.stdout.log", log / f"{name}.stderr.log"
    with open_log(stdout_path) as stdout, open_log(stderr_path) as stderr:
        try:
            code = await process.run(
                (str(script_of(job, name, layout)),),
                env=layout.environment() | dict(env),
                cwd=layout.job(job),
                stdout=stdout,
                stderr=stderr,
                notes=layout.notes,
            )
        except OSError as error:
            return Outcome(job=job, problem=f"bin/{name} cannot be run: {error.strerror}")
    if code == 0:
        return Outcome(job=job)
    lines = last_lines(stderr_path, _LAST_LINES)
    return Outcome(job=job, problem="\n".join((f"exit code {code}; the end of its stderr:", *lines)))
