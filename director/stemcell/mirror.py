"""Where Debian's packages come from: where this machine's apt has them from, or where the operator says."""

import subprocess
from collections.abc import Iterable
from typing import Final

from director.stemcell.failure import Impossible
from director.stemcell.recipe import SUITE, Source

_SUITES: Final = (SUITE, f"{SUITE}-updates", f"{SUITE}-security")
_ASK: Final = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")


def find_sources(mirror: str | None, security_mirror: str | None) -> tuple[Source, ...]:
    """Blocks. Raises Impossible when no mirror is named and this machine's apt has none of that Debian."""
    found = {} if mirror else {source.suite: source for source in read_targets(_targets())}
    if mirror:
        found = {suite: Source(url=mirror, suite=suite) for suite in _SUITES[:2]}
    if security_mirror:
        found[_SUITES[2]] = Source(url=security_mirror, suite=_SUITES[2])
    if SUITE not in found:
        raise Impossible(
            f"This machine's apt knows no mirror of Debian {SUITE}: name one with --mirror (and --security-mirror)."
        )
    return tuple(found[suite] for suite in _SUITES if suite in found)


def read_targets(lines: Iterable[str]) -> Iterable[Source]:
    """Of apt's own list (``URL RELEASE COMPONENT``), those of Debian's main component that a stemcell needs."""
    for line in lines:
        url, _, rest = line.partition(" ")
        suite, _, component = rest.partition(" ")
        if component == "main" and suite in _SUITES:
            yield Source(url=url, suite=suite)


def _targets() -> Iterable[str]:
    try:
        asked = subprocess.run(_ASK, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        return ()
    return asked.stdout.splitlines()
