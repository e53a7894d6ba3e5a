"""``python -m director.setup``: one question as JSON on standard input, one answer as JSON on standard output.

A program of its own, so that the command needs no adapter, and so that a password is never in an argument list or an
environment. What an operator can put right is an answer too: ``{"problem": {"detail": …, "fix": …}}``.
"""

import asyncio
import importlib
import json
import sys
from typing import Any, Final

from director.model.problem import Refused
from director.setup.unusable import Unusable

PLACES: Final = {"vsphere": ("vCenter", "pyVmomi"), "nsxt": ("NSX-T's API", "httpx")}
"""By module: what it looks at, and the library that may not be there."""


def main() -> None:
    question: dict[str, Any] = json.loads(sys.stdin.read())
    json.dump(answer(question), sys.stdout)


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """``at`` is vsphere (unless said) or nsxt; ``do`` is ``look`` (what is there to choose from) or ``check`` (whether
    the properties chosen will do).
    """
    at = str(question.get("at", "vsphere"))
    what, library = PLACES[at]
    try:
        place = importlib.import_module(f"director.setup.{at}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != library:
            raise
        return {"problem": _lacking(what, library)}
    ask = {"look": place.look, "check": place.check}[question["do"]]
    try:
        found: dict[str, Any] = asyncio.run(ask(question))
    except Unusable as unusable:
        return {"problem": unusable.tree}
    except Refused as refused:
        return {"problem": {"detail": " ".join(p.detail for p in refused.problems), "fix": refused.problems[0].fix}}
    return found


def _lacking(what: str, library: str) -> dict[str, str]:
    return {
        "detail": f"The library for {what} ({library}) is not installed beside this command.",
        "fix": "Install the director with its vSphere extra: `make install-vsphere` in its checkout.",
    }


if __name__ == "__main__":
    main()
