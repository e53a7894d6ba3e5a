"""Addons and variables, of manifests and of runtime configs (bosh-director.md 1.12, 1.13)."""

from collections.abc import Iterator, Sequence
from typing import Final

from director.manifest import faults
from director.manifest.check_group import check_links_of, check_release_of
from director.manifest.document import Path
from director.manifest.near import instead_of
from director.manifest.pick import flag, number, text, tree_at, trees
from director.manifest.report import Report
from director.manifest.values import is_variable_name
from director.model.tree import Tree

TYPES: Final = ("certificate", "password", "rsa", "ssh")
"""What the director can make (section 3.8)."""

_KEY_LENGTHS: Final = (2048, 3072, 4096)
_PASSWORD_MAX: Final = 4096


def check_addons(report: Report, listed: frozenset[str], *, is_runtime: bool) -> None:
    """Every addon of a document; ``listed`` are the releases of that document."""
    names: set[str] = set()
    for index, addon in trees(report.document.root, "addons"):
        path: Path = ("addons", index)
        name = text(addon, "name")
        if name and name in names:
            detail = f'The addon "{name}" is declared twice.'
            report.error((*path, "name"), faults.ADDON_DUPLICATE, detail, "rename or remove one of the two.")
        names.add(name)
        _check_addon_jobs(report, path, addon, listed)
        if not is_runtime:
            _check_manifest_filters(report, path, addon)


def _check_addon_jobs(report: Report, path: Path, addon: Tree, listed: frozenset[str]) -> None:
    if addon.get("jobs") == []:
        detail = f"{report.words(path)} has no jobs, so that it adds nothing."
        report.warn((*path, "jobs"), faults.NO_JOBS, detail, "add its jobs, or remove the addon.")
    if addon.get("properties"):
        detail = f"{report.words(path)} has properties of its own, which is deprecated."
        report.warn((*path, "properties"), faults.DEPRECATED, detail, "move them to the addon's jobs.")
    for index, job in trees(addon, "jobs"):
        here: Path = (*path, "jobs", index)
        check_release_of(report, here, job, listed, faults.ADDON_RELEASE)
        check_links_of(report, here, job)


def _check_manifest_filters(report: Report, path: Path, addon: Tree) -> None:
    for side in ("include", "exclude"):
        filters = tree_at(addon, side)
        if "deployments" in filters:
            where: Path = (*path, side, "deployments")
            detail = f"{report.words(where)} filters by deployment inside a deployment."
            report.error(where, faults.ADDON_DEPLOYMENTS, detail, "remove it, or move the addon to a runtime config.")
        if "teams" in filters:
            where = (*path, side, "teams")
            detail = f"{report.words(where)} is ignored inside a deployment."
            report.warn(where, faults.NOT_HONOURED, detail, "remove it, or move the addon to a runtime config.")


def check_variables(reports: Sequence[Report]) -> None:
    """Variables of one document, or of several that are joined: names unique, each one possible to make."""
    first: dict[str, Report] = {}
    declared = {text(variable, "name"): variable for report in reports for _, variable in _variables(report)}
    for report in reports:
        for path, variable in _variables(report):
            name = text(variable, "name")
            if name and name in first:
                detail = f'The variable "{name}" is declared in {first[name].document.file} already.'
                report.error((*path, "name"), faults.VARIABLE_DUPLICATE, detail, "declare it once.")
            first.setdefault(name, report)
            _check_variable(report, path, variable, declared)


def _variables(report: Report) -> Iterator[tuple[Path, Tree]]:
    for index, variable in trees(report.document.root, "variables"):
        yield ("variables", index), variable


def _check_variable(report: Report, path: Path, variable: Tree, declared: dict[str, Tree]) -> None:
    name, kind = text(variable, "name"), text(variable, "type")
    if name and not is_variable_name(name):
        detail = f'The variable name "{name[:60]}" has characters or dots where it may have none.'
        fix = "use letters, digits, _, -, / and dots inside the last part."
        report.error((*path, "name"), faults.VARIABLE_NAME, detail, fix)
    if kind and kind not in TYPES:
        detail = f'The variable "{name}" has the type "{kind}", which the director cannot make.'
        fix = instead_of(kind, TYPES, "give its value with -v or --vars-file and remove this entry")
        report.error((*path, "type"), faults.VARIABLE_FORMAT, detail, fix)
    for key in ("update", "consumes"):
        if key in variable:
            detail = f"{report.words((*path, key))} is not acted on."
            report.warn((*path, key), faults.NOT_HONOURED, detail, "remove it, if that is what you want.")
    _check_options(report, path, variable, declared)


def _check_options(report: Report, path: Path, variable: Tree, declared: dict[str, Tree]) -> None:
    """Never tells a value of the options: they may be secret."""
    options = tree_at(variable, "options")
    where: Path = (*path, "options")
    name = text(variable, "name")
    if (
        text(variable, "type") == "password"
        and "length" in options
        and not 1 <= number(options, "length") <= _PASSWORD_MAX
    ):
        detail = f'The password "{name}" has a length that no password can have.'
        report.error((*where, "length"), faults.VARIABLE_FORMAT, detail, f"write a number from 1 to {_PASSWORD_MAX}.")
    if text(variable, "type") == "certificate":
        _check_certificate(report, where, name, options, declared)


def _check_certificate(report: Report, where: Path, name: str, options: Tree, declared: dict[str, Tree]) -> None:
    signer = text(options, "ca")
    if not signer and not flag(options, "is_ca") and not flag(options, "self_sign"):
        detail = f'The certificate "{name}" names no ca to sign it and is none itself.'
        fix = "add ca: with the variable of the signing certificate, or is_ca: true."
        report.error(where, faults.VARIABLE_FORMAT, detail, fix)
    elif signer in declared and not _can_sign(declared[signer]):
        detail = f'The certificate "{name}" is to be signed by "{signer}", which is not a certificate with is_ca: true.'
        report.error((*where, "ca"), faults.VARIABLE_FORMAT, detail, f'add is_ca: true to the options of "{signer}".')
    if "key_length" in options and number(options, "key_length") not in _KEY_LENGTHS:
        detail = f'The certificate "{name}" has a key_length that is not supported.'
        report.error((*where, "key_length"), faults.VARIABLE_FORMAT, detail, "write 2048, 3072 or 4096.")
    if "duration" in options and number(options, "duration") < 1:
        detail = f'The certificate "{name}" has a duration of less than a day.'
        report.error((*where, "duration"), faults.VARIABLE_FORMAT, detail, "write a number of days of 1 or more.")


def _can_sign(variable: Tree) -> bool:
    return text(variable, "type") == "certificate" and flag(tree_at(variable, "options"), "is_ca")
