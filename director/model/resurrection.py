"""Where resurrection is on and off, as operators write it (bosh-director.md 2.4)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ResurrectionFilter:
    """Exact names. What is empty chooses nothing in particular; of two that are not, both must match."""

    deployments: tuple[str, ...] = ()
    instance_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResurrectionRule:
    """What ``include`` matches and ``exclude`` does not is repaired without being asked, or with ``is_enabled`` False
    is not.
    """

    is_enabled: bool
    include: ResurrectionFilter = field(default_factory=ResurrectionFilter)
    exclude: ResurrectionFilter = field(default_factory=ResurrectionFilter)
