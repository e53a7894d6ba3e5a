"""Cloud-check: what is wrong with a deployment's VMs and disks, and what is to be done about each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.recovery_plan import GroupPlan, read_plan, write_plan
from director.cli.show import Table, say, show
from director.model.problem_found import Resolution

HEADER: Final = {"id": "#", "type": "Type", "description": "Description"}
SKIP: Final = "ignore"

Found = dict[str, Any]
"""A problem as the director tells it."""
Answers = Mapping[str, str | None]
"""Names of resolutions by id of the problem; None is the default one."""


@click.command()
@click.option("-a", "--auto", is_flag=True, help="Take the default for every problem.")
@click.option("-r", "--report", is_flag=True, help="Only show the problems; ends with 1 when there are any.")
@click.option(
    "--resolution", "resolutions", multiple=True, metavar="NAME", help="Take it where it is offered, e.g. recreate_vm."
)
@click.option(
    "--recovery-plan", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Take what it says."
)
@pass_context
def cloud_check(
    context: Context, /, auto: bool, report: bool, resolutions: tuple[str, ...], recovery_plan: Path | None
) -> None:
    """Looks for VMs that are gone or silent and disks that are not where they belong; asks what to do about each.

    Nothing is done that was not chosen. What --resolution does not fit is skipped.
    """
    if sum(map(bool, (auto, report, resolutions, recovery_plan))) > 1:
        raise CommandFailed("Use one of --auto, --report, --resolution and --recovery-plan.", Exit.BAD_INPUT)
    _check_names(resolutions)
    plan = read_plan(recovery_plan) if recovery_plan else None
    found = _scanned(context)
    if report or not found or not context.as_json:  # else the task's end is the one document that is printed
        _show(found, context)
    if not found:
        return
    if report:
        raise CommandFailed(f"{len(found)} problem(s) found")
    if plan is not None:
        _recover(context, found, plan)
        return
    if auto:
        answers: Answers = {str(one["id"]): None for one in found}
    elif resolutions:
        answers = {str(one["id"]): _fitting(one, resolutions) for one in found}
    else:
        answers = _asked(context, found)
    _resolve(context, found, answers, {})


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@pass_context
def create_recovery_plan(context: Context, /, path: Path) -> None:
    """Asks what to do about each kind of problem of each instance group, and writes that to a file for recover."""
    found = _scanned(context)
    if not found:
        say("No problems found", to_stderr=context.as_json)
        return
    if context.is_non_interactive:
        raise CommandFailed("A recovery plan is made of answers: leave -n out.", Exit.BAD_INPUT)
    groups = []
    for name in sorted({one["instance_group"] for one in found}):
        say(f"Instance group {name}")
        of_group = [one for one in found if one["instance_group"] == name]
        chosen = {}
        for kind in sorted({one["type"] for one in of_group}):
            same = [one for one in of_group if one["type"] == kind]
            for one in same:
                say(f"  {one['id']}: {one['description']}")
            chosen[kind] = _choice(kind, _common(same))
        limit = str(click.prompt(f"max_in_flight for {name} (empty: none)", default="", show_default=False))
        groups.append(GroupPlan(name=name, max_in_flight=limit.strip(), resolutions=chosen))
    write_plan(path, groups)
    say(f"Wrote {path}. `director -d {context.need_deployment()} recover {path}` carries it out.")


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_context
def recover(context: Context, /, path: Path) -> None:
    """Scans again and does what a recovery plan says about what is found."""
    plan = read_plan(path)
    found = _scanned(context)
    if not found:
        say("No problems found", to_stderr=context.as_json)
        return
    _recover(context, found, plan)


def _scanned(context: Context) -> list[Found]:
    """The problems there are now, by id."""
    from director.cli.follow import follow, task_of  # noqa: PLC0415  (its help needs no connection)

    answer = context.director.send_json("POST", context.path("scans"), {})
    follow(context.director, task_of(answer), quiet=context.as_json)
    found: list[Found] = context.director.get(context.path("problems"))
    return sorted(found, key=lambda one: int(one["id"]))


def _show(found: Sequence[Found], context: Context) -> None:
    rows = [{key: str(one[key]) for key in HEADER} for one in found]
    show(Table(content="problems", header=HEADER, rows=rows), as_json=context.as_json)


def _recover(context: Context, found: Sequence[Found], plan: Sequence[GroupPlan]) -> None:
    """What the plan does not speak of is skipped; what it says must be offered."""
    groups = {group.name: group for group in plan}
    answers: dict[str, str | None] = {}
    wrong = []
    for one in found:
        group = groups.get(one["instance_group"])
        name = group.resolutions.get(one["type"], SKIP) if group else SKIP
        answers[str(one["id"])] = name
        if name not in _names(one):
            wrong.append(f'{one["instance_group"]}: {one["type"]} has no resolution "{name}".')
    if wrong:
        raise CommandFailed("\n".join(dict.fromkeys(wrong)), Exit.BAD_INPUT)
    there = {one["instance_group"] for one in found}
    limits = {group.name: group.max_in_flight for group in plan if group.max_in_flight and group.name in there}
    _resolve(context, found, answers, limits)


def _resolve(context: Context, found: Sequence[Found], answers: Answers, limits: Mapping[str, str]) -> None:
    from director.cli.follow import run  # noqa: PLC0415

    for one in found:
        say(f"{one['id']}: {_title(one, answers[str(one['id'])])}: {one['description']}", to_stderr=context.as_json)
    context.confirm("Do this?")
    body: dict[str, Any] = {"resolutions": dict(answers)}
    if limits:
        body["max_in_flight_overrides"] = dict(limits)
    run(context, context.director.send_json("PUT", context.path("problems"), body))


def _asked(context: Context, found: Sequence[Found]) -> Answers:
    if context.is_non_interactive:
        message = "Nobody is asked with -n: choose with --auto, --resolution or --recovery-plan."
        raise CommandFailed(message, Exit.BAD_INPUT)
    return {str(one["id"]): _choice(one["description"], one["resolutions"]) for one in found}


def _choice(question: str, offered: Sequence[Mapping[str, str]]) -> str:
    """The name of the one chosen by number."""
    say(f"\n{question}")
    for number, one in enumerate(offered, start=1):
        say(f"  {number}  {one['plan']} ({one['name']})")
    number = _prompted(lambda: int(click.prompt("Resolution", type=click.IntRange(1, len(offered)), default=1)))
    return offered[number - 1]["name"]


def _prompted(ask: Callable[[], int]) -> int:
    try:
        return ask()
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):
            raise
        message = "Nobody answered on standard input, so nothing was changed. Scripts use --auto or --resolution."
        raise CommandFailed(message, Exit.BAD_INPUT) from abort


def _common(found: Sequence[Found]) -> list[Mapping[str, str]]:
    """What all of them offer."""
    return [one for one in found[0]["resolutions"] if all(one["name"] in _names(other) for other in found)]


def _fitting(one: Found, resolutions: Sequence[str]) -> str:
    return next((name for name in resolutions if name in _names(one)), SKIP)


def _names(one: Found) -> list[str]:
    return [offered["name"] for offered in one["resolutions"]]


def _title(one: Found, name: str | None) -> str:
    titles = {offered["name"]: offered["plan"] for offered in one["resolutions"]}
    return "Its default" if name is None else str(titles[name])


def _check_names(resolutions: Sequence[str]) -> None:
    """A misspelt one would skip every problem without a word."""
    known = [one.value for one in Resolution]
    unknown = [name for name in resolutions if name not in known]
    if unknown:
        message = f"There is no resolution {', '.join(unknown)}. There are: {', '.join(known)}."
        raise CommandFailed(message, Exit.BAD_INPUT)
