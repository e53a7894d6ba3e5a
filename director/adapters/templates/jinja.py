"""Fills Jinja2 templates with the words ERB templates have: p, has_p, if_p, link, if_link, spec, properties; and with
fail(TEXT), for what ERB has raise.

A sandbox without loader: a template reaches the values it is given and nothing else.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, NoReturn

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, TemplateRuntimeError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from director.adapters.templates.fault import Fault, engine_error, missing_link, missing_property
from director.adapters.templates.source import TemplateFile
from director.adapters.templates.words import MissingLink, MissingProperty, Words
from director.model.tree import Tree

TEMPLATES_MAX = 2000


def fill_jinja(template: TemplateFile, tree: Tree, job: str) -> bytes | Fault:
    """The filled template as UTF-8. Blocks for as long as the template computes."""
    name = f"{job}/{template.name}"
    try:
        return _compiled(name, template.content).render(_vocabulary(Words(tree), tree)).encode()
    except TemplateSyntaxError as error:
        return engine_error(str(error.message), error.lineno)
    except MissingProperty as error:
        return missing_property(error.names, job, _line(error, name))
    except MissingLink as error:
        return missing_link(error.name, job, _line(error, name))
    except TemplateError as error:
        return engine_error(str(error.message), _line(error, name))
    # Whatever Python's own operations raise when a template adds a number to a word, and the like.
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        return engine_error(f"{type(error).__name__}: {error}", _line(error, name))


def _vocabulary(words: Words, tree: Tree) -> dict[str, object]:
    return {
        "p": words.p,
        "has_p": words.has_p,
        "if_p": words.if_p,
        "link": words.link,
        "if_link": words.if_link,
        "spec": tree,
        "name": words.name,
        "index": tree.get("index"),
        "properties": words.properties,
        "fail": _fail,
    }


def _fail(text: str) -> NoReturn:
    """The template's own word on values that it cannot be filled with; a problem of the deploy."""
    raise TemplateRuntimeError(text)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, sort_keys=True, default=_plain)


def _to_yaml(value: Any) -> str:
    plain = json.loads(_to_json(value))
    return yaml.safe_dump(plain, allow_unicode=True, default_flow_style=False, width=1_000_000).removesuffix("...\n")


def _plain(value: Any) -> Any:
    if isinstance(value, StrictUndefined):
        str(value)  # raises UndefinedError with the name of what is missing
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    # Not Jinja's tojson, which writes < and ' as escapes for HTML: these files are read by programs and people.
    filters: dict[str, Callable[..., str]] = {"tojson": _to_json, "toyaml": _to_yaml, "quote": _quote}
    environment.filters.update(filters)
    return environment


def _quote(value: Any) -> str:
    """One word of a shell script, whatever is in it."""
    return shlex.quote(str(value))


ENVIRONMENT = _environment()


@lru_cache(maxsize=TEMPLATES_MAX)
def _compiled(name: str, content: bytes) -> Template:
    """Raises TemplateSyntaxError, and UnicodeDecodeError (a ValueError) for what is not UTF-8."""
    code = ENVIRONMENT.compile(content.decode(), name, name)
    return Template.from_code(ENVIRONMENT, code, ENVIRONMENT.make_globals(None))


def _line(error: BaseException, name: str) -> int | None:
    """The innermost place inside the template: Jinja writes the traceback as if the template were the code."""
    line: int | None = None
    step: TracebackType | None = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == name:
            line = step.tb_lineno
        step = step.tb_next
    return line
