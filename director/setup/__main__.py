"""``python -m director.setup``: one question as JSON on standard input, one answer as JSON on standard output.

A program of its own, so that the command needs no adapter, and so that a password is never in an argument list or an
environment. What an operator can put right is an answer too: ``{"problem": {"detail": …, "fix": …}}``.
"""

import asyncio
import json
import sys
from typing import Any, Final

from director.model.problem import Refused

NO_LIBRARY: Final = {
    "detail": "The library for vCenter (pyVmomi) is not installed beside this command.",
    "fix": "Install the director with its vSphere extra: `make install-vsphere` in its checkout.",
}


def main() -> None:
    question: dict[str, Any] = json.loads(sys.stdin.read())
    json.dump(answer(question), sys.stdout)


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """``do`` is ``look`` (what is there to choose from) or ``check`` (whether the properties chosen will do)."""
    try:
        from director.setup import vsphere  # noqa: PLC0415  (the library may not be there)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("pyVmomi"):
            raise
        return {"problem": NO_LIBRARY}
    ask = {"look": vsphere.look, "check": vsphere.check}[question["do"]]
    try:
        return asyncio.run(ask(question))
    except vsphere.Unusable as unusable:
        return {"problem": unusable.tree}
    except Refused as refused:
        return {"problem": {"detail": " ".join(p.detail for p in refused.problems), "fix": refused.problems[0].fix}}


if __name__ == "__main__":
    main()
