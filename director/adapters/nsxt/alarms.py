"""What NSX could not carry out, and why, in words. Decides which alarms pass by themselves."""

from collections.abc import Mapping, Sequence
from typing import Final

from director.adapters.nsxt.client import Kind, NsxClient, NsxFault

NOT_READY: Final = 500042
"""The edges or the tier-0 are not ready yet: it passes (agent-cpi-vsphere.md 5.4)."""
TAKEN: Final = frozenset({5141, 500105})
"""An address that is held or not free again yet; a subnet that overlaps another one."""
_ALARMS: Final = "/infra/realized-state/alarms"
_ALARMS_MAX: Final = 20_000


async def read_alarms(client: NsxClient) -> Mapping[str, str]:
    """What failed and why, by path, in one list. An NSX without it tells nobody; its entities still do."""
    try:
        listed = await client.list(_ALARMS, objects_max=_ALARMS_MAX)
    except NsxFault as fault:
        if fault.kind in {Kind.NOT_FOUND, Kind.INVALID}:
            return {}
        raise
    return alarm_words(listed)


def alarm_words(listed: Sequence[Mapping[str, object]]) -> Mapping[str, str]:
    """By the path of the object each is about; those that pass by themselves left out."""
    found: dict[str, str] = {}
    for alarm in listed:
        code = code_of(alarm)
        if code == NOT_READY:
            continue
        details = alarm.get("error_details")
        told = details.get("error_message") if isinstance(details, Mapping) else None
        text = str(alarm.get("message") or told or "no reason given").rstrip(".")
        intents = alarm.get("intent_paths")
        for path in {str(alarm.get("source_reference")), *(map(str, intents) if isinstance(intents, list) else ())}:
            found[path] = f"{text} ({code})" if code else text
    return found


def code_of(alarm: Mapping[str, object]) -> object:
    details = alarm.get("error_details")
    return details.get("error_code") if isinstance(details, Mapping) else None
