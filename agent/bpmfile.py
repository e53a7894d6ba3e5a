"""Reads config/bpm.yml: processes to run in the foreground.

There is no container here, so the fields that only shape one (volumes, capabilities) are read over, and
``limits.memory`` is left to the limits of the VM.
"""

from pathlib import Path

from agent.failure import Failed
from agent.layout import Layout
from agent.program import Owned
from agent.smallyaml import Node, NotUnderstood, read


def programs(text: str, job: str, layout: Layout) -> tuple[Owned, ...]:
    """In the order of the file. Raises Failed, naming the job, for a file that cannot be read or lacks a program."""
    try:
        tree = read(text)
    except NotUnderstood as error:
        raise Failed(f'job "{job}": config/bpm.yml: {error}') from error
    entries = tree.get("processes") if isinstance(tree, dict) else None
    if not isinstance(entries, list):
        raise Failed(f'job "{job}": config/bpm.yml has no list "processes"')
    return tuple(_program(_as_map(entry, job), job, layout) for entry in entries)


def _as_map(node: Node, job: str) -> dict[str, Node]:
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise Failed(f'job "{job}": config/bpm.yml has "{node}" where a map belongs')
    return node


def _program(entry: dict[str, Node], job: str, layout: Layout) -> Owned:
    name, executable = _text(entry.get("name")), _text(entry.get("executable"))
    if not name or not executable:
        raise Failed(f'job "{job}": config/bpm.yml has a process without name or executable')
    limits, hooks = _as_map(entry.get("limits"), job), _as_map(entry.get("hooks"), job)
    unsafe = _as_map(entry.get("unsafe"), job)
    return Owned(
        job=job,
        name=name,
        argv=(layout.resolve(executable), *_texts(entry.get("args"))),
        env=_environment(_as_map(entry.get("env"), job), job, layout),
        cwd=layout.job(job) if not entry.get("workdir") else _path(entry["workdir"], layout),
        pidfile=layout.run(job) / f"{name}.pid",
        pre_start=layout.resolve(_text(hooks.get("pre_start"))),
        open_files=_number(limits.get("open_files"), job),
        is_privileged=_text(unsafe.get("privileged")) == "true",
        directories=_directories(entry, job, layout),
    )


def _path(node: Node, layout: Layout) -> Path:
    return Path(layout.resolve(_text(node)))


def _directories(entry: dict[str, Node], job: str, layout: Layout) -> tuple[Path, ...]:
    directories = [layout.data / job, layout.data / job / "tmp"]
    if _text(entry.get("persistent_disk")) == "true":
        directories.append(layout.store / job)
    return tuple(directories)


def _environment(entries: dict[str, Node], job: str, layout: Layout) -> dict[str, str]:
    own = {"HOME": str(layout.data / job), "TMPDIR": str(layout.data / job / "tmp")}
    return layout.environment() | own | {name: _text(value) for name, value in entries.items()}


def _text(node: Node) -> str:
    return node if isinstance(node, str) else ""


def _texts(node: Node) -> tuple[str, ...]:
    return tuple(_text(item) for item in node) if isinstance(node, list) else ()


def _number(node: Node, job: str) -> int | None:
    text = _text(node)
    if not text:
        return None
    if not text.isdecimal():
        raise Failed(f'job "{job}": config/bpm.yml limits open_files to "{text}", which is not a number')
    return int(text)
