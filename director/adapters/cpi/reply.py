"""The one JSON object a CPI answers with, read strictly (agent-cpi-vsphere.md 2.1). Pure."""

import json
from dataclasses import dataclass

from director.model.tree import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An error as the CPI told it."""

    type: str
    message: str
    ok_to_retry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    result: Node
    error: Said | None
    log: str


def read_reply(data: bytes) -> Reply:
    """Raises ValueError with what is wrong, without showing any of ``data``: it may hold secrets."""
    if not data.strip():
        raise ValueError("it printed nothing")
    try:
        tree = json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(f"what it printed is no JSON ({error.msg} at character {error.pos})") from None
    except UnicodeDecodeError:
        raise ValueError("what it printed is no text") from None
    except RecursionError:
        raise ValueError("what it printed is nested too deeply") from None
    wrong = _wrong(tree)
    if wrong:
        raise ValueError(wrong)
    return Reply(result=tree["result"], error=_error(tree["error"]), log=tree["log"])


def _wrong(tree: object) -> str:
    if not isinstance(tree, dict):
        return "what it printed is no JSON object"
    missing = [key for key in ("result", "error", "log") if key not in tree]
    if missing:
        return f"its reply has no {' and no '.join(missing)}"
    return "" if isinstance(tree["log"], str) else "the log in its reply is no text"


def _error(node: object) -> Said | None:
    if node is None:
        return None
    match node:
        case {"type": str(name), "message": str(message), "ok_to_retry": bool(ok_to_retry)}:
            return Said(type=name, message=message, ok_to_retry=ok_to_retry)
        case _:
            raise ValueError("the error in its reply lacks type, message or ok_to_retry")
