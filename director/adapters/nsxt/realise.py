"""Waits until NSX has carried out what it accepted. Decides what to ask for, when, and what an answer means.

Note: what is asked for. What cannot be realised before another is, is not asked for itself: a virtual server stands for
its load balancer, pool and monitor, a NAT rule or load balancer for the router and its edges. Errors of all come in
the end with one list of alarms. Asking begins about when it took the last ones to be realised, as NSX tells nobody.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from director.adapters.nsxt.alarms import NOT_READY, TAKEN, alarm_words, code_of, read_alarms
from director.adapters.nsxt.client import Kind, NsxClient, NsxFault
from director.adapters.nsxt.pace import Pace
from director.adapters.nsxt.site import Made
from director.adapters.nsxt.there import together
from director.model.fabric import (
    Carving,
    LoadBalancer,
    Monitor,
    NatRule,
    NetworkObject,
    PoolAddress,
    Ref,
    Router,
    ServerPool,
    StaticRoute,
    VirtualServer,
)
from director.model.tree import Tree
from director.ports.fabric import FabricFailure
from director.ports.failure import Retry

_FEW: Final = 3
"""After so many questions without an end, what was not asked for itself may be what fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """``error`` is NSX's reason, empty when none. Neither done nor failed: not yet."""

    is_done: bool
    error: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


def asked_for(made: Sequence[Made]) -> tuple[Made, ...]:
    """Those that stand for all of them."""
    standing_in = {ref for each in made for ref in _stood_for(each.thing)}
    return tuple(each for each in made if each.thing.id not in standing_in and _is_realised_alone(each.thing))


def _is_realised_alone(thing: NetworkObject) -> bool:
    """What only a virtual server brings onto an edge may otherwise stay unrealised for ever, and so does one that no
    load balancer serves.
    """
    if isinstance(thing, VirtualServer):
        return thing.load_balancer is not None
    return not isinstance(thing, Monitor | ServerPool)


def _stood_for(thing: NetworkObject) -> tuple[str, ...]:
    match thing:
        case NatRule() | StaticRoute() | LoadBalancer():
            ref: Ref | None = thing.router
        case VirtualServer():
            ref = thing.load_balancer
        case _:
            ref = None
    return (ref.to,) if ref is not None and ref.is_ours else ()


def state_of(entities: Sequence[Tree]) -> State:
    """None yet: just begun. All REALIZED: done. ERROR with another alarm than "not ready yet": failed (5.6)."""
    attributes: dict[str, str] = {}
    for entity in entities:
        attributes.update(_attributes(entity))
        if entity.get("state") == "ERROR":
            alarms = entity.get("alarms")
            listed = [each for each in alarms if isinstance(each, Mapping)] if isinstance(alarms, list) else []
            if listed and all(code_of(each) == NOT_READY for each in listed):
                return State(is_done=False)
            told = sorted(set(alarm_words(listed).values()))
            return State(is_done=False, error="; ".join(told) or _publish_error(entity))
    return State(
        is_done=bool(entities) and all(entity.get("state") == "REALIZED" for entity in entities), attributes=attributes
    )


def _publish_error(entity: Tree) -> str:
    return str(entity.get("publish_status_error") or entity.get("runtime_error") or "NSX gives no reason")


def _attributes(entity: Tree) -> Mapping[str, str]:
    listed = entity.get("extended_attributes")
    found: dict[str, str] = {}
    for each in listed if isinstance(listed, list) else ():
        values = each.get("values") if isinstance(each, Mapping) else None
        if isinstance(each, Mapping) and isinstance(values, list) and values:
            found[str(each.get("key"))] = str(values[0])
    return found


async def await_realised(client: NsxClient, made: Sequence[Made], pace: Pace, within_s: float) -> Mapping[str, State]:
    """States by path of the pieces asked for. Raises FabricFailure with NSX's reason, or when it takes too long."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    main = {_last(each): each for each in asked_for(made)}
    every = {piece.path: each for each in made for piece in each.pieces if piece.body is not None}
    done: dict[str, State] = {}
    paused_s, asked = 0.0, 0
    while not main.keys() <= done.keys():
        pause_s = pace.pause_s(asked)
        await asyncio.sleep(pause_s)
        asked, paused_s = asked + 1, paused_s + pause_s
        left = [path for path in main if path not in done] if asked % _FEW else sorted(every.keys() - done.keys())
        for path, state in zip(left, await together(_state(client, path) for path in left), strict=True):
            if state.error:
                raise Unrealised(every[path], path, state.error)
            if state.is_done:
                _check(every[path], path, state)
                done[path] = state
        if main.keys() <= done.keys():
            break
        if loop.time() - began > within_s:
            raise _late([main[path] for path in main if path not in done], within_s)
    pace.learn(asked, paused_s)
    await _refuse_alarms(client, every, done)
    return done


async def _refuse_alarms(client: NsxClient, every: Mapping[str, Made], done: Mapping[str, State]) -> None:
    """For all that something else stood for."""
    if every.keys() <= done.keys():
        return
    alarms = await read_alarms(client)
    for path, made in every.items():
        if path in alarms:
            raise Unrealised(made, path, alarms[path])


def _check(made: Made, path: str, state: State) -> None:
    """What was taken out of a block or pool is exactly what the plan has chosen."""
    match made.thing:
        case Carving(cidr=asked):
            given = state.attributes.get("cidr", asked)
        case PoolAddress(ip=asked):
            given = state.attributes.get("allocation_ip", asked)
        case _:
            return
    if given != asked:
        raise Unrealised(made, path, f"it gave {given}, not {asked}")


def _last(made: Made) -> str:
    """The subnet of a pool, the rule of a router: what is realised last."""
    if isinstance(made.thing, Router | NatRule):
        return made.path
    return [piece.path for piece in made.pieces if piece.body is not None][-1]


async def entities_of(client: NsxClient, path: str) -> Sequence[Tree]:
    return await client.list("/infra/realized-state/realized-entities", intent_path=path)


async def _state(client: NsxClient, path: str) -> State:
    try:
        return state_of(await entities_of(client, path))
    except NsxFault as fault:
        if fault.kind is Kind.NOT_FOUND:
            return State(is_done=False)
        raise


class Unrealised(FabricFailure):
    """NSX gave up on one object."""

    def __init__(self, made: Made, path: str, error: str) -> None:
        self.made = made
        self.is_taken = any(f"({code})" in error for code in TAKEN)
        super().__init__(
            f'NSX cannot realise the {made.thing.kind} "{made.thing.name}" ({path}): {error}. '
            "Mend what it names in NSX, then deploy again."
        )


def _late(made: Iterable[Made], within_s: float) -> FabricFailure:
    names = ", ".join(f'{each.thing.kind} "{each.thing.name}"' for each in made)
    return FabricFailure(
        f"NSX has not realised {names} within {within_s:g} s. See its state in NSX; deploy again to go on waiting, or "
        "raise realisation_timeout in the nsxt properties.",
        retry=Retry.BOUNDED,
    )
