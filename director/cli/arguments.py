"""Global flags may stand anywhere on the line, as ``bosh`` takes them; click wants them before the command."""

from collections.abc import Iterator

from director.cli.errors import CommandFailed, Exit

VALUED = frozenset({"-e", "--environment", "--ca-cert", "--client", "--client-secret", "-d", "--deployment"})
FLAGS = frozenset({"-n", "--non-interactive", "--json"})
GLUED = ("-d", "-e")
"""``-dname`` is ``-d name``; no command has flags that begin like this."""


def with_globals_first(args: list[str]) -> list[str]:
    """The same words, global flags first; nothing behind ``--`` is touched. Raises CommandFailed without a value."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            return [*first, *rest, word, *words]
        name, equals, _ = word.partition("=")
        if word in FLAGS or (equals and name in VALUED) or _is_glued(word):
            first.append(word)
        elif word in VALUED:
            first += [word, _value(word, words)]
        else:
            rest.append(word)
    return [*first, *rest]


def _is_glued(word: str) -> bool:
    return word.startswith(GLUED) and len(word) > 2


def _value(flag: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise CommandFailed(f"{flag} needs a value.", Exit.BAD_INPUT)
    return value
