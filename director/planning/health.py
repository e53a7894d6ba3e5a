"""Decides how an instance is, from what its agent says, how long it has been silent, and what a second witness saw.

It may not decide what to do about it. All times are monotonic seconds but a VM's creation, which is wall clock.

Note: whom to doubt. Silence counts from the last word, or from when the director could last have missed one: after its
own start, a stall or a jump of time nothing is held against anybody that was silent meanwhile
(performance-reliability.md 4.4, 4.5). A closed stream is no proof of anything; it only makes the witness be asked at
once. Only a witness who says that the VM is off or gone shortens the wait.
"""

from dataclasses import dataclass

from director.model.deployment import Lifecycle
from director.model.health import Condition, Finding, Presence, Watched, Witness
from director.model.names import VmName
from director.model.record import VmState
from director.model.sighting import JobState, SeenAgent
from director.model.wanted import Want


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """``silent_s``: so long must an agent be silent. ``fresh_s``: a witness older than this is asked again before a
    verdict. ``boot_s``: a VM this young may still be booting.
    """

    silent_s: float = 30.0
    fresh_s: float = 5.0
    boot_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """``trusted_since``: what the director has heard since then it would have heard."""

    now: float
    wall: float
    trusted_since: float


UNWELL = {
    JobState.FAILING: Condition.FAILING,
    JobState.STARTING: Condition.STARTING,
    JobState.UNKNOWN: Condition.STARTING,
    JobState.STOPPED: Condition.STOPPED,
}


def is_watched(one: Watched) -> bool:
    """An errand's VM comes and goes with its errand, a compilation VM with its package."""
    return one.instance.lifecycle is Lifecycle.SERVICE and not one.instance.is_compilation


def examine(one: Watched, moment: Moment, senses: Senses, former: Finding | None = None) -> Finding:
    """One instance's finding. ``former`` is the one of the last look: the same condition goes on since then."""
    condition, evidence, next_at = _condition(one, moment, senses)
    instance = one.instance
    goes_on = former is not None and former.vm == _name(one) and _group(former.condition) == _group(condition)
    return Finding(
        deployment=instance.deployment,
        instance=instance.id,
        label=instance.label,
        group=instance.group,
        az=instance.az,
        vm=_name(one),
        condition=condition,
        since=former.since if former and goes_on else moment.now,
        evidence=evidence,
        next_at=next_at,
    )


def needs_witness(one: Watched, moment: Moment, senses: Senses) -> bool:
    """Whether somebody else has to be asked before this instance's silence can be judged."""
    if one.vm is None or one.vm.state is not VmState.CREATED or one.instance.want is not Want.STARTED:
        return False
    if _answers(one.agent, moment, senses):
        return False
    witness = one.witness
    if witness is None or not _is_later(witness, one.agent, moment):
        return True
    # Also one that saw it on: an agent often goes a moment before its VM does.
    return moment.now - witness.at > senses.fresh_s


def _condition(one: Watched, moment: Moment, senses: Senses) -> tuple[Condition, tuple[str, ...], float | None]:
    if one.vm is None:
        return Condition.NO_VM, (), None
    if one.vm.state is not VmState.CREATED:
        return Condition.SETTLING, (f"its VM is {one.vm.state.value}",), None
    agent = one.agent
    if agent is not None and _answers(agent, moment, senses):
        return (*_of_answering(one, agent), agent_deadline(agent, moment, senses))
    return _of_silent(one, moment, senses)


def agent_deadline(agent: SeenAgent, moment: Moment, senses: Senses) -> float:
    """When a connected agent's silence would have lasted too long."""
    return moment.now + senses.silent_s - quiet_s(agent, moment)


def quiet_s(agent: SeenAgent | None, moment: Moment) -> float:
    """How long nothing has come that the director would have heard."""
    since_s = max(0.0, moment.now - moment.trusted_since)
    return since_s if agent is None else min(agent.silent_s, since_s)


def is_late(agent: SeenAgent, moment: Moment, senses: Senses) -> bool:
    """It has missed a word, though its silence is no verdict yet."""
    return quiet_s(agent, moment) > senses.silent_s / 2


def is_proven_away(one: Watched, moment: Moment) -> bool:
    """Its infrastructure has shown its VM off, or has not known it, after its agent's last word."""
    witness = one.witness
    return (
        witness is not None
        and _is_later(witness, one.agent, moment)
        and witness.presence in {Presence.OFF, Presence.ABSENT}
    )


def _of_answering(one: Watched, agent: SeenAgent) -> tuple[Condition, tuple[str, ...]]:
    if agent.job_state is JobState.RUNNING:
        if one.has_disk and not agent.disks:
            return Condition.EMPTY, ("its agent reports no persistent disk mounted",)
        return Condition.RUNNING, ()
    failing = [f"{process.name} is {process.state}" for process in agent.processes if process.state != "running"]
    return UNWELL[agent.job_state], tuple(failing) or (f"its agent reports it {agent.job_state.value}",)


def _of_silent(one: Watched, moment: Moment, senses: Senses) -> tuple[Condition, tuple[str, ...], float | None]:
    assert one.vm is not None, "no VM was told before"
    lasts_s, booted_s, witness = quiet_s(one.agent, moment), moment.wall - one.vm.created_at, one.witness
    words = (_silence(one.agent, lasts_s, booted_s),)
    if witness is None or not _is_later(witness, one.agent, moment):
        left_s = senses.silent_s - lasts_s
        is_asked_for = left_s > 0 or one.instance.want is Want.STARTED
        return Condition.SUSPECT, words, moment.now + max(0.0, left_s) if is_asked_for else None
    if witness.presence is Presence.ABSENT:
        return Condition.MISSING, (*words, "its infrastructure does not know its VM"), None
    if witness.presence is Presence.OFF:
        return Condition.OFF, (*words, "its infrastructure shows its VM off"), None
    if one.agent is None and 0 <= booted_s < senses.boot_s:
        return Condition.SUSPECT, (*words, "its VM may be booting"), moment.now + senses.boot_s - booted_s
    if lasts_s < senses.silent_s or moment.now - witness.at > senses.fresh_s:
        left_s = min(senses.silent_s - lasts_s, witness.at + senses.fresh_s - moment.now)
        return Condition.SUSPECT, words, moment.now + max(0.0, left_s)
    if witness.presence is Presence.ON:
        return Condition.UNRESPONSIVE, (*words, f"its VM is on{witness.words and f', {witness.words}'}"), None
    return Condition.UNKNOWN, (*words, witness.words or "its infrastructure cannot tell"), None


def _answers(agent: SeenAgent | None, moment: Moment, senses: Senses) -> bool:
    """A stream that is open, but over which nothing comes any more, is as silent as none."""
    return agent is not None and agent.is_connected and quiet_s(agent, moment) < senses.silent_s


def _is_later(witness: Witness, agent: SeenAgent | None, moment: Moment) -> bool:
    """It looked after the agent's last word."""
    return agent is None or witness.at >= moment.now - agent.silent_s


def _silence(agent: SeenAgent | None, lasts_s: float, booted_s: float) -> str:
    if agent is None and 0 <= booted_s < lasts_s:
        return f"its agent has not been heard of in the {booted_s:.0f} s since its VM was made"
    if agent is None:
        return f"its agent has not been heard of for {lasts_s:.0f} s, since this director came up"
    way = "its stream is open" if agent.is_connected else "its stream is closed"
    return f"its agent is silent for {lasts_s:.0f} s, {way}"


def _group(condition: Condition) -> Condition:
    """Processes that come up and fail in turns are one trouble."""
    return Condition.FAILING if condition is Condition.STARTING else condition


def _name(one: Watched) -> VmName | None:
    return one.vm.name if one.vm else None
