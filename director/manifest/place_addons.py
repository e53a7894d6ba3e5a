"""Runtime configs and addons: what of them applies to a deployment, and to which groups.

Rules: bosh-director.md 1.12 and 2.2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from director.manifest import faults
from director.manifest.build import build_addons, build_releases, build_variables
from director.manifest.document import Document
from director.manifest.pick import tags
from director.manifest.report import problem_of
from director.model.deployment import Addon, AddonFilter, Deployment, InstanceGroup, JobRef, ReleaseRef
from director.model.names import JobName, ReleaseName, VariableName
from director.model.problem import Problem, Refused


def apply_runtime(deployment: Deployment, runtime_docs: Sequence[Document], *, teams: Sequence[str] = ()) -> Deployment:
    """The deployment with what the runtime configs add: their addons, tags (its own win) and variables.

    A release joins only when an addon of its config applies to some group. Raises Refused when a release would join in
    another version than the deployment's own, or a variable is declared twice.
    """
    problems: list[Problem] = []
    own = frozenset(variable.name for variable in deployment.variables)
    for doc in runtime_docs:
        applying = tuple(addon for addon in build_addons(doc) if _applies_anywhere(addon, deployment, teams))
        used = {job.release for addon in applying for job in addon.jobs}
        wanted = [release for release in build_releases(doc) if release.name in used]
        problems += _version_problems(deployment, wanted)
        problems += _variable_problems(own, doc)
        mine = {release.name for release in deployment.releases}
        deployment = replace(
            deployment,
            releases=(*deployment.releases, *(release for release in wanted if release.name not in mine)),
            addons=(*deployment.addons, *applying),
            tags={**tags(doc.root, "tags"), **deployment.tags},
            variables=(*deployment.variables, *build_variables(doc)),
        )
    if problems:
        raise Refused(problems)
    return deployment


def place_addons(deployment: Deployment, *, teams: Sequence[str] = ()) -> Deployment:
    """The deployment with each addon's jobs behind the own jobs of every group it applies to, and no addons left.

    Raises Refused when a group has such a job already.
    """
    problems: list[Problem] = []
    groups = []
    for group in deployment.groups:
        grown = group
        for addon in deployment.addons:
            if applies(addon, grown, deployment, teams):
                problems += _colocation_problems(addon, grown)
                grown = replace(grown, jobs=(*grown.jobs, *addon.jobs))
        groups.append(grown)
    if problems:
        raise Refused(problems)
    return replace(deployment, groups=tuple(groups), addons=())


def applies(addon: Addon, group: InstanceGroup, deployment: Deployment, teams: Sequence[str] = ()) -> bool:
    """Whether ``include`` matches the group (an absent one matches all) and ``exclude`` does not."""
    is_included = addon.include is None or _matches(addon.include, group, deployment, teams, is_exclude=False)
    is_excluded = addon.exclude is not None and _matches(addon.exclude, group, deployment, teams, is_exclude=True)
    return is_included and not is_excluded


def _matches(
    wish: AddonFilter, group: InstanceGroup, deployment: Deployment, teams: Sequence[str], *, is_exclude: bool
) -> bool:
    """Filters on the group's surroundings must all hold; then those on what it is; none at all includes everything."""
    around = _around(wish, group, deployment, teams)
    if not all(around):
        return False
    itself = _itself(wish, group, deployment)
    return all(itself) if itself else bool(around) or not is_exclude


def _around(wish: AddonFilter, group: InstanceGroup, deployment: Deployment, teams: Sequence[str]) -> list[bool]:
    os = next((stemcell.os for stemcell in deployment.stemcells if stemcell.alias == group.stemcell), None)
    networks = [network.name for network in group.networks]
    held = []
    if wish.lifecycle is not None:
        held.append(wish.lifecycle is group.lifecycle)
    for choices, have in (
        (wish.azs, group.azs),
        (wish.teams, teams),
        (wish.stemcell_oses, [os or ""]),
        (wish.networks, networks),
    ):
        if choices:
            held.append(_share(choices, have))
    return held


def _itself(wish: AddonFilter, group: InstanceGroup, deployment: Deployment) -> list[bool]:
    held = []
    if wish.deployments:
        held.append(deployment.name in wish.deployments)
    if wish.jobs:
        held.append(_share(wish.jobs, [(job.name, job.release) for job in group.jobs]))
    if wish.groups:
        held.append(group.name in wish.groups)
    return held


def _share(choices: Iterable[str | tuple[JobName, ReleaseName]], have: Iterable[object]) -> bool:
    return bool(set(choices) & set(have))


def _applies_anywhere(addon: Addon, deployment: Deployment, teams: Sequence[str]) -> bool:
    return any(applies(addon, group, deployment, teams) for group in deployment.groups)


def _version_problems(deployment: Deployment, wanted: Iterable[ReleaseRef]) -> list[Problem]:
    mine = {release.name: release.version for release in deployment.releases}
    return [
        problem_of(
            faults.RUNTIME_VERSION,
            f'The runtime config asks for release "{release.name}" in version {release.version}, '
            f"the deployment in version {mine[release.name]}.",
            "write the same version in both.",
            release.mark,
        )
        for release in wanted
        if mine.get(release.name, release.version) != release.version
    ]


def _variable_problems(own: frozenset[VariableName], doc: Document) -> list[Problem]:
    return [
        problem_of(
            faults.VARIABLE_DUPLICATE,
            f'The variable "{variable.name}" of a runtime config is declared by the deployment too.',
            "declare it in one of the two.",
            variable.mark,
        )
        for variable in build_variables(doc)
        if variable.name in own
    ]


def _colocation_problems(addon: Addon, group: InstanceGroup) -> list[Problem]:
    here = {job.name for job in group.jobs}
    return [_colocated(addon, group, job) for job in addon.jobs if job.name in here]


def _colocated(addon: Addon, group: InstanceGroup, job: JobRef) -> Problem:
    detail = f'The addon "{addon.name}" adds the job "{job.name}" to the group "{group.name}", which has it already.'
    fix = f'remove the job from one of the two, or exclude "{group.name}" from the addon.'
    return problem_of(faults.ADDON_COLOCATED, detail, fix, job.mark)
