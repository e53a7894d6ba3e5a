"""Refusals of cloud-check, with BOSH's numbers (bosh-director.md appendix A), and what a valid choice comes to."""

from collections.abc import Iterator, Sequence

from director.manifest.values import wrong_count
from director.model.problem import Problem, Refused
from director.model.problem_found import OpenProblem, Resolution
from director.reconcile.requests import ApplyResolutions

NOT_PROVIDED = 410002
INVALID = 410003
PAUSED = 410004


def chosen_of(request: ApplyResolutions, known: Sequence[OpenProblem]) -> tuple[tuple[OpenProblem, Resolution], ...]:
    """Every open problem with what was chosen for it. Raises Refused with all that is wrong."""
    found = {one.id: one for one in known}
    wanted = dict(request.resolutions)
    wrong = [_unknown_id(number, request) for number in wanted if number not in found]
    wrong += [_not_provided(one) for one in known if one.id not in wanted]
    wrong += _resolutions(found, wanted)
    wrong += _limits(request)
    if wrong:
        raise Refused(wrong)
    return tuple((one, _resolution(one, wanted[one.id])) for one in known)


def _resolution(one: OpenProblem, name: str | None) -> Resolution:
    return one.found.default if name is None else Resolution(name)


def _resolutions(found: dict[int, OpenProblem], wanted: dict[int, str | None]) -> Iterator[Problem]:
    for number, name in wanted.items():
        if number in found and name is not None:
            offered = [one.value for one in found[number].found.resolutions]
            if name not in offered:
                yield _unknown_resolution(found[number], name, offered)


def _limits(request: ApplyResolutions) -> Iterator[Problem]:
    for group, written in request.max_in_flight:
        if wrong := wrong_count(written, 1):
            yield Problem(
                code="cloud-check.bad-max-in-flight",
                summary="Invalid max_in_flight",
                detail=f'max_in_flight of {group} is "{written}", which {wrong}.',
                fix="write a number from 1 on, or a percentage such as 50%.",
                number=INVALID,
            )


def _unknown_id(number: int, request: ApplyResolutions) -> Problem:
    return Problem(
        code="cloud-check.unknown-problem",
        summary="No such open problem",
        detail=f"Deployment {request.deployment} has no open problem {number}.",
        fix="scan again: ids hold until the next scan.",
        number=INVALID,
    )


def _not_provided(one: OpenProblem) -> Problem:
    return Problem(
        code="cloud-check.no-resolution",
        summary="No resolution was given",
        detail=f"Resolution for problem {one.id} ({one.found.type.value}) is not provided.",
        fix='choose one for every problem; "ignore" skips it.',
        number=NOT_PROVIDED,
    )


def _unknown_resolution(one: OpenProblem, name: str, offered: Sequence[str]) -> Problem:
    return Problem(
        code="cloud-check.unknown-resolution",
        summary="No such resolution",
        detail=f'Problem {one.id} ({one.found.type.value}) has no resolution "{name}".',
        fix=f"choose one of {', '.join(offered)}.",
        number=INVALID,
    )


def paused() -> Problem:
    return Problem(
        code="cloud-check.paused",
        summary="Resurrection is paused",
        detail="Resurrection is paused, so nothing is repaired without being asked.",
        fix="switch it on again with `director update-resurrection on`.",
        number=PAUSED,
    )
