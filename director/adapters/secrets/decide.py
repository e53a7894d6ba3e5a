"""Which variables are generated and which kept, by update mode (bosh-director.md 3.8). Pure but for new ids."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from director.adapters.secrets.generate import can_sign
from director.adapters.secrets.options import Certificate, Wish, ca_of, in_order, problem, read_wish
from director.model.deployment import Variable
from director.model.problem import Problem, Refused
from director.model.record import SealedVariable
from director.model.tree import Node, digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A variable to generate. ``digest`` covers its type, its options and which CA signs it."""

    variable: Variable
    wish: Wish
    id: str
    digest: str


def decide(
    variables: Sequence[Variable], kept: Mapping[str, SealedVariable], open_kept: Callable[[SealedVariable], Node]
) -> tuple[Making, ...]:
    """What to generate, each CA before what it signs. Raises Refused with every problem of every variable."""
    wishes, problems = _wishes(variables)
    declared = {variable.name for variable in variables}
    problems += [found for variable in variables for found in _check_ca(variable, declared, wishes, kept)]
    ordered, circles = in_order(variables, wishes)
    if problems + circles:
        raise Refused(problems + circles)
    making: dict[str, Making] = {}
    for variable in ordered:
        wish = wishes[variable.name]
        ca = ca_of(wish)
        ca_id = "" if ca is None else making[ca].id if ca in making else kept[ca].id
        digest = digest_of({"type": variable.type, "options": variable.options, "ca": ca_id})
        if _is_due(variable, kept.get(variable.name), digest):
            if ca is not None and ca not in making and not can_sign(open_kept(kept[ca])):
                problems.append(_no_ca(variable, ca, "whose kept value is no CA"))
            making[variable.name] = Making(variable=variable, wish=wish, id=str(uuid4()), digest=digest)
    if problems:
        raise Refused(problems)
    return tuple(making.values())


def _is_due(variable: Variable, kept: SealedVariable | None, digest: str) -> bool:
    if kept is None or variable.update_mode == "overwrite":
        return True
    return variable.update_mode == "converge" and kept.options_digest != digest


def _wishes(variables: Sequence[Variable]) -> tuple[dict[str, Wish], list[Problem]]:
    wishes: dict[str, Wish] = {}
    problems: list[Problem] = []
    names: set[str] = set()
    for variable in variables:
        wish, found = read_wish(variable)
        problems += found
        if variable.name in names:
            fix = "remove one of the two, or give it another name."
            problems.append(problem(variable, "duplicate", "is declared twice.", fix, number=190022))
        names.add(variable.name)
        if wish is not None:
            wishes[variable.name] = wish
    return wishes, problems


def _check_ca(
    variable: Variable, declared: Collection[str], wishes: Mapping[str, Wish], kept: Collection[str]
) -> Sequence[Problem]:
    """Only what the list itself says; a CA with problems of its own is not held against what it signs."""
    ca = ca_of(wishes.get(variable.name))
    if ca is None or ca == variable.name:
        return ()
    signer = wishes.get(ca)
    if signer is not None and not (isinstance(signer, Certificate) and signer.is_ca):
        return (_no_ca(variable, ca, "which is no CA"),)
    if ca not in declared and ca not in kept:
        return (_no_ca(variable, ca, "which is declared nowhere"),)
    return ()


def _no_ca(variable: Variable, ca: str, why: str) -> Problem:
    fix = "name a variable of type certificate with is_ca: true (and update_mode: converge, to make it anew)."
    return problem(variable, "ca", f'is to be signed by "{ca}", {why}.', fix)
