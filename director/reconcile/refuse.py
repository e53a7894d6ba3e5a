"""What a pass refuses to do, each with what the operator can do instead. Raises Refused; decides nothing else."""

from collections.abc import Collection, Mapping

from director.model.deployment import Deployment
from director.model.names import VmName
from director.model.plan import Plan
from director.model.problem import Problem, Refused
from director.model.record import Record
from director.model.sighting import SeenVm
from director.model.wanted import Wanted
from director.planning.chain import generation_of
from director.planning.steady import beyond
from director.reconcile.requests import Deploy, Overrides


def refuse_other_name(deployment: Deployment, request: Deploy) -> None:
    if deployment.name != request.deployment:
        raise Refused(
            [
                Problem(
                    code="deploy.other-name",
                    summary="Manifest of another deployment",
                    detail=f'The manifest is named "{deployment.name}", but "{request.deployment}" was to be deployed.',
                    fix="leave out -d, or name the same deployment in both places.",
                    mark=deployment.mark,
                )
            ]
        )


def refuse_deleting_all(wanted: Wanted, record: Record, overrides: Overrides) -> None:
    live = [instance for instance in record.instances if not instance.is_compilation]
    if any(group.instances for group in wanted.groups) or not live or overrides.allow_delete_all:
        return
    raise Refused(
        [
            Problem(
                code="deploy.deletes-everything",
                summary="Every instance would be deleted",
                detail=f'This manifest of "{wanted.deployment}" has no instances; '
                f"all {len(live)} that exist would be deleted.",
                fix="check instance_groups, or confirm with --allow-delete-all.",
                number=190024,
            )
        ]
    )


def refuse_silent(plan: Plan) -> None:
    silent = [hold for hold in plan.holds if hold.code == "hold.silent"]
    if silent:
        raise Refused(
            Problem(
                code="deploy.silent-agent",
                summary="An agent does not answer",
                detail=hold.reason.partition(" Wait for it")[0],
                fix="wait for it, or repeat with --fix to replace the VM.",
                number=450002,
            )
            for hold in silent
        )


def refuse_beyond(plan: Plan, request: Deploy) -> None:
    """Raises Refused for a plan that does more than a deploy nobody looked at may do."""
    limits = beyond(plan, request.changes_max, allows_deletes=not request.keeps_all)
    if limits:
        raise Refused(
            Problem(
                code="deploy.beyond-limits",
                summary="More would change than may",
                detail=f'Of "{request.deployment}" {limit}.',
                fix="look at the plan with `director watch -d NAME`, and deploy it by hand or widen the limits.",
            )
            for limit in limits
        )


def refuse_rolled_back(record: Record, seen: Mapping[VmName, SeenVm], known: Collection[str]) -> None:
    """A VM that is newer than any that the record planned for its instance: the record is of an earlier day than the
    world, and a plan made from it would take what runs for what is to go. ``known`` are VMs that are looked for.
    """
    newest = {one.id: max((one.generation, *(v.generation for v in record.vms_of(one.id)))) for one in record.instances}
    recorded = {vm.name for vm in record.vms} | set(known)
    newer = [
        vm.name
        for vm in seen.values()
        if vm.name not in recorded and vm.instance in newest and generation_of(vm.name) > newest[vm.instance]
    ]
    if newer:
        raise Refused(
            [
                Problem(
                    code="deploy.record-rolled-back",
                    summary="The record is older than the VMs",
                    detail=f'"{record.deployment.name}" has VMs newer than any that this director knows of: '
                    f"{', '.join(sorted(newer))}. Was its record restored from a backup? Nothing is changed.",
                    fix="restore the newest record, or delete these VMs on the infrastructure if nobody needs them.",
                )
            ]
        )


def refuse_ignored(record: Record) -> None:
    ignored = [instance.label for instance in record.instances if instance.is_ignored]
    if ignored:
        raise Refused(
            [
                Problem(
                    code="delete.ignored",
                    summary="Ignored instances",
                    detail=f'"{record.deployment.name}" has ignored instances: {", ".join(sorted(ignored))}.',
                    fix="unignore them first.",
                    number=190021,
                )
            ]
        )


def no_deployment(name: str) -> Problem:
    return Problem(
        code="deployment.not-found",
        summary="Unknown deployment",
        detail=f'There is no deployment "{name}".',
        fix="list them with `director deployments`.",
        number=70000,
    )


def never_finished(name: str) -> Problem:
    return Problem(
        code="deployment.never-finished",
        summary="Never deployed to its end",
        detail=f'No deploy of "{name}" has ever finished, so no manifest of it is recorded.',
        fix="deploy its manifest again.",
        number=70003,
    )


def no_config(number: int) -> Problem:
    return Problem(
        code="deploy.config-not-found",
        summary="Unknown config",
        detail=f"Config {number}, which this deploy was confirmed with, does not exist any more.",
        fix="look at the difference again and confirm it anew.",
        number=190025,
    )
