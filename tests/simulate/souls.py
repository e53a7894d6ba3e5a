"""Agents with a will of their own: cut off for several reasons at once, connected but mute, late after a restart."""

import asyncio
from dataclasses import replace

from director.adapters.memory.agents import MemoryAgents, Reply, obey
from director.model.sighting import JobState, SeenProcess

HEARTBEAT_S = 10.0
BACK_S = 10.0
"""Agents dial in again within this, each when its back-off lets it."""


class Souls(MemoryAgents):
    """``script`` asks the simulation how each request ends."""

    def __init__(self, clock, simulation, new_token):
        super().__init__(clock, script=self._reply, new_token=new_token)
        self.simulation = simulation
        self.reasons: dict[str, set[str]] = {}
        """Why an agent cannot be heard."""
        self._phases: dict[str, float] = {}
        self.mute: dict[str, float] = {}
        self.broken: set[str] = set()
        """Agents whose jobs fail however often they are started."""
        self.stalled: tuple[float, float] = (0.0, -1.0)
        """How long the director's last stall was, and when it had read all that came meanwhile."""

    # What happens to them

    def cut(self, agent, reason):
        self.reasons.setdefault(agent, set()).add(reason)
        if agent in self._agents and self._agents[agent].is_up:
            beat_s = self._since_beat_s(agent)
            self.silence(agent)
            self._agents[agent].heard_at = self._clock.monotonic() - beat_s

    def mend(self, agent, reason):
        reasons = self.reasons.get(agent, set())
        reasons.discard(reason)
        if not reasons and agent in self._agents:
            self.wake(agent)

    def boot(self, enrolment):
        self.reasons[enrolment.agent] = set()
        self.mute.pop(enrolment.agent, None)
        return super().boot(enrolment)

    def die(self, agent):
        self.cut(agent, "its VM is off")

    def reborn(self, agent):
        """Its VM was rebooted: it mounts what is attached and starts what was started."""
        known = self._agents[agent]
        self.mute.pop(agent, None)
        known.disks = frozenset(self.simulation.disks_attached(agent))
        if known.spec is not None and known.state is not JobState.STOPPED:
            self._begin(known)
        self.reasons[agent] = set()
        self.wake(agent)

    def fail(self, agent, *, for_good):
        """Its processes fail; ``for_good`` whatever anybody does, but another VM."""
        known = self._agents[agent]
        if known.state is JobState.RUNNING and known.processes:
            self.broken.update({agent} if for_good else ())
            self.report(agent, JobState.FAILING, _failing(known.processes))

    def unmount(self, agent):
        known = self._agents[agent]
        known.disks = frozenset()
        self._hear(known)

    def hush(self, agent, seconds):
        self.mute[agent] = self._clock.monotonic()
        asyncio.get_running_loop().call_later(seconds, self._unhush, agent)

    def _unhush(self, agent):
        if self.mute.pop(agent, None) is not None:
            self._hear(self._agents[agent])

    def find_director_late(self, dice):
        """A director is back; each agent after its own back-off."""
        self._has_director = True
        loop = asyncio.get_running_loop()
        for agent in self._agents.values():
            self.reasons.setdefault(agent.id, set()).add("back-off")
            agent.is_up = False
            loop.call_later(dice.uniform(0.1, BACK_S), self.mend, agent.id, "back-off")

    def answers(self, agent):
        known = self._agents.get(agent)
        return known is not None and self._is_connected(known) and agent not in self.mute

    # How they work

    def _is_connected(self, agent):
        return super()._is_connected(agent) and agent.id not in self.mute

    def _heard(self, agent, now):
        if agent.id in self.mute and agent.is_up and self._has_director:
            return True, now - self.mute[agent.id]
        if not self._is_connected(agent):
            return False, now - agent.heard_at
        beat_s = self._since_beat_s(agent.id)
        stall_s, read_at = self.stalled
        return True, beat_s + stall_s if now < read_at else beat_s

    def look_at(self, agent):
        """One agent as it is seen; None when this director has not heard of it."""
        known = self._agents.get(agent)
        return self._look(known) if known is not None and known.is_known else None

    def _since_beat_s(self, agent):
        if agent not in self._phases:
            self._phases[agent] = phase_of(agent)
        return (self._clock.monotonic() + self._phases[agent]) % HEARTBEAT_S

    def _begin(self, agent):
        jobs = agent.spec.content.jobs if agent.spec else ()
        agent.processes = tuple(SeenProcess(name=job.name, job=job.name, state="running") for job in jobs)
        agent.state, agent.started_at = JobState.RUNNING, self._clock.monotonic()
        if agent.id in self.broken and agent.processes:
            agent.state, agent.processes = JobState.FAILING, _failing(agent.processes)

    def _obey(self, agent, request):
        super()._obey(agent, request)
        if type(request).__name__ == "Start":
            self._begin(agent)

    def _reply(self, agent, key, request):
        if type(request).__name__ == "Compile":
            return obey(agent, key, request)
        return self.simulation.reply_of(agent, request)


def _failing(processes):
    return tuple(replace(one, state="failing", restarts=one.restarts + 3, uptime_s=0.0) for one in processes)


def phase_of(text):
    """A phase for an agent's heartbeats, the same in every run."""
    return sum(text.encode()) % 997 / 99.7


class Ear:
    """``ports.agents.Agents`` of one director process."""

    def __init__(self, souls, life):
        self._souls, self._life = souls, life

    def seen(self):
        self._life.check()
        return self._souls.seen()

    def seen_of(self, agent):
        self._life.check()
        return self._souls.seen_of(agent)

    def forget(self, agent, key):
        self._life.check()
        self._souls.forget(agent, key)

    def __getattr__(self, call):
        known = getattr(self._souls, call)

        async def ask(*args, **more):
            self._life.check()
            result = await known(*args, **more)
            self._life.check()
            return result

        return ask


OBEDIENT = Reply()
