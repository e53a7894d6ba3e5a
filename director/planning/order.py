"""Puts steps in an order that respects their needs. The only place that knows networkx."""

from collections.abc import Iterable, Mapping

import networkx as nx

from director.model.names import StepKey
from director.model.plan import PlannedStep


def graph_of(steps: Iterable[PlannedStep]) -> "nx.DiGraph[StepKey]":
    """An edge from each step to each that needs it or comes after it."""
    graph: nx.DiGraph[StepKey] = nx.DiGraph()
    for step in steps:
        graph.add_node(step.key)
        graph.add_edges_from((need, step.key) for need in (*step.needs, *step.after))
    return graph


def in_order(steps: Iterable[PlannedStep]) -> tuple[PlannedStep, ...]:
    """The steps, needs first; among those free to stand anywhere, as they came.

    Raises AssertionError naming the cycle, or the need that no step provides: a broken planner, not a mistake.
    """
    given = tuple(steps)
    by_key = {step.key: step for step in given}
    assert len(by_key) == len(given), "two steps of a plan have one key"
    graph = graph_of(given)
    strangers = sorted(set(graph) - set(by_key))
    assert not strangers, f"steps are needed that the plan does not have: {', '.join(strangers)}"
    place = {step.key: number for number, step in enumerate(given)}
    try:
        keys = list(nx.lexicographical_topological_sort(graph, key=place.__getitem__))
    except nx.NetworkXUnfeasible:
        cycle = " -> ".join(str(edge[0]) for edge in nx.find_cycle(graph))
        raise AssertionError(f"the steps of a plan wait for each other: {cycle}") from None
    return tuple(by_key[key] for key in keys)


def has_circle(steps: Iterable[PlannedStep]) -> bool:
    """Whether some steps wait for each other."""
    return not nx.is_directed_acyclic_graph(graph_of(steps))


def longest_path(steps: Iterable[PlannedStep], seconds: Mapping[StepKey, float]) -> tuple[tuple[StepKey, ...], float]:
    """The chain of steps that takes longest, and how long: no schedule can be quicker."""
    total: dict[StepKey, float] = {}
    before: dict[StepKey, StepKey | None] = {}
    for step in in_order(steps):
        last = max((*step.needs, *step.after), key=lambda key: total[key], default=None)
        total[step.key] = seconds.get(step.key, 0.0) + (total[last] if last else 0.0)
        before[step.key] = last
    end = max(total, key=lambda key: total[key], default=None)
    path: list[StepKey] = []
    key = end
    while key is not None:
        path.append(key)
        key = before[key]
    return tuple(reversed(path)), total[end] if end else 0.0
