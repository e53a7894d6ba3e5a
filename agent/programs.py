"""Which processes the jobs of a spec consist of: their monit files and bpm files, put together."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from agent import bpmfile, monitfile
from agent.failure import Failed
from agent.layout import Layout
from agent.program import Owned, Program, Watched
from agent.wire.agent_pb2 import Job

_BPM = "/jobs/bpm/bin/bpm"


def of_jobs(jobs: Iterable[Job], layout: Layout) -> tuple[Program, ...]:
    """The processes of all jobs, in order. Raises Failed for files that cannot be read, naming the job."""
    return tuple(program for job in jobs for program in of_job(job.name, job.monit, layout))


def of_job(job: str, monit: str, layout: Layout) -> tuple[Program, ...]:
    """Those the monit file checks; those of bpm.yml when it checks none.

    A check whose start program is bpm stands for that process of bpm.yml: it runs in the foreground, without bpm.
    """
    checks = monitfile.read(monit, job)
    if checks:
        return tuple(_of_check(check, job, layout) for check in checks)
    return _of_bpm(job, layout)


def _of_check(check: monitfile.Check, job: str, layout: Layout) -> Program:
    pidfile = Path(layout.resolve(check.pidfile))
    if check.start[0].endswith(_BPM) and check.start[1:2] == ("start",):
        return replace(_bpm_process(check, layout), job=job, name=check.name, pidfile=pidfile)
    return Watched(
        job=job,
        name=check.name,
        start=_argv(check.start, layout),
        stop=_argv(check.stop, layout),
        pidfile=pidfile,
        env=layout.environment(),
        start_timeout_s=check.start_timeout_s,
        user=check.user,
    )


def _argv(words: tuple[str, ...], layout: Layout) -> tuple[str, ...]:
    return tuple(layout.resolve(word) for word in words)


def _bpm_process(check: monitfile.Check, layout: Layout) -> Owned:
    """``bpm start JOB [-p PROCESS]``; the process is named like the job when it is not given."""
    words = check.start[2:]
    if not words:
        raise Failed(f'process "{check.name}": "bpm start" names no job')
    wanted = words[words.index("-p") + 1] if "-p" in words[:-1] else words[0]
    for program in _of_bpm(words[0], layout):
        if program.name == wanted:
            return program
    raise Failed(f'job "{words[0]}": its monit file starts process "{wanted}", which config/bpm.yml does not have')


def _of_bpm(job: str, layout: Layout) -> tuple[Owned, ...]:
    try:
        text = (layout.job(job) / "config" / "bpm.yml").read_text("utf-8")
    except FileNotFoundError:
        return ()
    return bpmfile.programs(text, job, layout)
