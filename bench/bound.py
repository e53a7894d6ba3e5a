"""What no schedule could beat, from the progress lines of a task."""

from typing import Any

from director.model.names import StepKey
from director.model.plan import PlannedStep
from director.model.step import Gate
from director.planning.order import longest_path


def over_bound(lines: list[dict[str, Any]], slots: int) -> float:
    """Wall seconds of the walk over what no schedule could beat: the longest chain, or all work over all slots.

    Work is what holds a slot: steps of bounded units, and infrastructure calls. Waiting for a VM to boot holds none.
    """
    outline = next(line for line in lines if "plan" in line)
    took = {StepKey(line["step"]): float(line["took_s"]) for line in lines if "took_s" in line}
    ends = [line["at"] for line in lines if "took_s" in line]
    begins = [line["at"] for line in lines if line.get("state") == "began"]
    steps = [
        PlannedStep(
            key=StepKey(step["key"]),
            step=Gate(name=step["key"]),
            subject="",
            needs=tuple(StepKey(key) for key in step["waits_for"]),
        )
        for step in outline["steps"]
    ]
    bound = {s["key"] for s in outline["steps"] if s["limits"] or outline["units"].get(s["unit"])}
    work = sum(seconds for key, seconds in took.items() if key in bound)
    _, longest = longest_path(steps, took)
    return float(max(ends) - min(begins)) / max(longest, work / slots)
