"""Decides whether the rules of resurrection configs let a group be repaired unasked (bosh-director.md 2.4)."""

from collections.abc import Iterable

from director.model.resurrection import ResurrectionFilter, ResurrectionRule


def allows(rules: Iterable[ResurrectionRule], deployment: str, group: str) -> bool:
    """``rules`` are those of all configs: every one that applies must be on. Where none applies it is on."""
    return all(rule.is_enabled for rule in rules if _applies(rule, deployment, group))


def _applies(rule: ResurrectionRule, deployment: str, group: str) -> bool:
    """An empty ``include`` takes in all, an empty ``exclude`` leaves out nothing."""
    leaves_out = bool(rule.exclude.deployments or rule.exclude.instance_groups)
    is_left_out = leaves_out and _matches(rule.exclude, deployment, group)
    return _matches(rule.include, deployment, group) and not is_left_out


def _matches(wish: ResurrectionFilter, deployment: str, group: str) -> bool:
    fits_deployment = not wish.deployments or deployment in wish.deployments
    return fits_deployment and (not wish.instance_groups or group in wish.instance_groups)
