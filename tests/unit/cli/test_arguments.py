"""Global flags anywhere on the line."""

import pytest

from director.cli.arguments import with_globals_first
from director.cli.errors import CommandFailed, Exit


@pytest.mark.parametrize(
    ("line", "sorted_line"),
    [
        ("instances", "instances"),
        ("instances -d web --json", "-d web --json instances"),
        ("deploy m.yml -v a=b -n -dweb", "-n -dweb deploy m.yml -v a=b"),
        ("deploy --deployment=web m.yml --environment h", "--deployment=web --environment h deploy m.yml"),
        ("-n deploy -o -x m.yml", "-n deploy -o -x m.yml"),
        ("local env -- -n", "local env -- -n"),
        ("tasks -r 5 -a", "tasks -r 5 -a"),
        ("events --deploymental x", "events --deploymental x"),
    ],
)
def test_global_flags_may_stand_after_the_command(line, sorted_line):
    assert with_globals_first(line.split()) == sorted_line.split()


@pytest.mark.parametrize("line", ["instances -d", "--client-secret"])
def test_a_global_flag_without_its_value_is_bad_input_not_an_empty_value(line):
    with pytest.raises(CommandFailed, match="needs a value") as failed:
        with_globals_first(line.split())
    assert failed.value.code is Exit.BAD_INPUT
