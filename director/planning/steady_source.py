"""Whether a policy can be kept: every mistake in what an operator named as source, limit and pace. Pure."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from director.model.problem import Problem
from director.model.steady import EVERY_MIN_S, Directory, Git, Policy, Recorded, Source

SCHEMES: Final = ("https", "ssh", "file")
"""What a manifest comes over must be proof against others on the way."""

_BRANCH: Final = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_+./#]*")
_HOST: Final = re.compile(r"(?:[-\w.]+@)?[A-Za-z0-9][-\w.]*:[^/:\s-][^:\s]*")
"""As ssh and scp have it: ``git@host:group/repository.git``."""


def check_policy(policy: Policy) -> tuple[Problem, ...]:
    return (*_pace(policy), *check_source(policy.source))


def check_source(source: Source) -> tuple[Problem, ...]:
    match source:
        case Recorded():
            return ()
        case Directory():
            return tuple(_directory(source))
        case Git():
            return (*_url(source.url), *_branch(source.branch), *_path(source.path))


def _pace(policy: Policy) -> Iterator[Problem]:
    if not policy.every_s >= EVERY_MIN_S:
        detail = f"Looking every {policy.every_s:g} s would keep infrastructures busy with nothing else."
        yield _problem("every", detail, f"write {EVERY_MIN_S:g} seconds or more.")


def _directory(source: Directory) -> Iterator[Problem]:
    if not source.path.startswith("/") or "\0" in source.path:
        detail = f'"{source.path}" is no absolute path.'
        yield _problem("directory", detail, "write the path as the director's machine has it, from / on.")


def _url(url: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        yield _problem("url", "The repository's address cannot be read.", "write https://host/path or git@host:path.")
        return
    if password is not None or (parts.scheme == "https" and parts.username):
        detail = "The repository's address holds credentials, which would be stored and shown."
        fix = "leave them out, and give them to git's credential helper or ssh of the user the director runs as."
        yield _problem("credentials", detail, fix)
    elif not _is_known(url, parts.scheme):
        detail = f'The repository\'s address "{url}" is none that manifests may come from.'
        yield _problem("url", detail, "write https://host/path, ssh://host/path, git@host:path or an absolute path.")


def _is_known(url: str, scheme: str) -> bool:
    is_plain = url.isprintable() and not url.startswith("-") and " " not in url
    is_remote = scheme in SCHEMES and url.startswith(f"{scheme}://") and not url.startswith(f"{scheme}://-")
    return is_plain and (url.startswith("/") or is_remote or _HOST.fullmatch(url) is not None)


def _branch(branch: str) -> Iterator[Problem]:
    is_odd = ".." in branch or branch.endswith(("/", ".", ".lock")) or "//" in branch
    if _BRANCH.fullmatch(branch) is None or is_odd:
        yield _problem("branch", f'"{branch}" is no name of a branch.', "write it as `git branch` shows it.")


def _path(path: str) -> Iterator[Problem]:
    parts = path.split("/")
    if path and (not path.isprintable() or any(part in {"", ".", ".."} for part in parts)):
        detail = f'"{path}" is no directory inside the repository.'
        yield _problem("path", detail, "write it from the repository's root on, such as deployments/prod.")


def _problem(code: str, detail: str, fix: str) -> Problem:
    return Problem(code=f"watch.{code}", summary="Cannot be kept to this", detail=detail, fix=fix)
