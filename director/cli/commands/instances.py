"""Instances and VMs: how they are."""

import json
from collections.abc import Iterable
from typing import Any, Final

import click

from director.cli.context import Context, pass_context
from director.cli.show import Table, show

HEADER: Final = {"instance": "Instance", "process_state": "Process State", "az": "AZ", "ips": "IPs"}
DETAILS: Final = {
    "state": "State",
    "vm_cid": "VM CID",
    "index": "Index",
    "bootstrap": "Bootstrap",
    "ignore": "Ignore",
    "disks": "Disk CIDs",
}
VITALS: Final = {"load": "Load", "memory": "Memory", "cpu": "CPU user/sys", "uptime": "Uptime"}
WELL: Final = frozenset({"running", "stopped"})


@click.command()
@click.option("-p", "--ps", is_flag=True, help="Show processes.")
@click.option("-i", "--details", is_flag=True, help="Show state, VM, index, disks.")
@click.option("--vitals", is_flag=True, help="Show load, memory and uptime.")
@click.option("-f", "--failing", is_flag=True, help="Only those that do not run as they should.")
@pass_context
def instances(context: Context, /, ps: bool, details: bool, vitals: bool, failing: bool) -> None:
    """Lists instances and how they are."""
    found = _listed(context, "instances", is_full=ps or details or vitals)
    if failing:
        expected = {brief["id"] for brief in _brief(context, "instances") if brief["expects_vm"]}
        found = [instance for instance in found if _is_failing(instance, expected)]
    rows = list(_with_processes(found) if ps else map(_row, found))
    header = ({"instance": "Instance", "process": "Process"} if ps else {}) | HEADER
    header |= (DETAILS if details else {}) | (VITALS if vitals else {})
    show(Table(content="instances", header=header, rows=rows, count=len(found)), as_json=context.as_json)


@click.command()
@click.option("--vitals", is_flag=True, help="Show load, memory and uptime.")
@click.option("--cloud-properties", is_flag=True, help="Show what they were made with.")
@pass_context
def vms(context: Context, /, vitals: bool, cloud_properties: bool) -> None:
    """Lists VMs and how they are."""
    found = _listed(context, "vms", is_full=vitals or cloud_properties)
    header = {**HEADER, "vm_cid": "VM CID", "vm_type": "VM Type", "active": "Active"} | (VITALS if vitals else {})
    header |= {"cloud_properties": "Cloud Properties"} if cloud_properties else {}
    show(Table(content="vms", header=header, rows=[_row(vm) for vm in found]), as_json=context.as_json)


def _listed(context: Context, kind: str, *, is_full: bool) -> list[dict[str, Any]]:
    """One object per instance or VM (section 6.2): the short form is answered at once, the full one by a task."""
    if not is_full:
        return _brief(context, kind)
    from director.cli.follow import follow, task_of  # noqa: PLC0415  (the short form needs none of it)

    answer = context.director.send("GET", context.path(kind), query={"format": "full"})
    task = task_of(answer)
    follow(context.director, task, quiet=True)
    return [json.loads(line) for line in context.director.output(task, "result", follow=False)]


def _brief(context: Context, kind: str) -> list[dict[str, Any]]:
    """Under the names of the full form."""
    found = context.director.get(context.path(kind))
    return [{**brief, "job_name": brief["job"], "vm_cid": brief["cid"]} for brief in found]


def _is_failing(found: dict[str, Any], expected: set[str]) -> bool:
    """One without a VM fails when it should have one: errands and detached instances have none."""
    return found["job_state"] not in WELL if found["job_state"] else found["id"] in expected


def _with_processes(found: Iterable[dict[str, Any]]) -> Iterable[dict[str, str]]:
    for instance in found:
        yield _row(instance)
        for process in instance["processes"]:
            yield {"process": process["name"], "process_state": process["state"]}


def _row(found: dict[str, Any]) -> dict[str, str]:
    is_gone = not found["job_state"] and found["state"] == "detached"
    return {
        "instance": f"{found['job_name']}/{found['id']}",
        "process_state": "detached" if is_gone else found["job_state"] or "",
        "az": found["az"] or "",
        "ips": "\n".join(found["ips"]),
        "state": found["state"] or "",
        "vm_cid": found["vm_cid"] or "",
        "vm_type": found.get("vm_type") or "",
        "index": str(found["index"]),
        "active": _yes(found.get("active")),
        "bootstrap": _yes(found.get("bootstrap")),
        "ignore": _yes(found.get("ignore")),
        "disks": "\n".join(found.get("disk_cids") or ()),
        "cloud_properties": json.dumps(found["cloud_properties"]) if found.get("cloud_properties") else "",
        **_vitals(found.get("vitals") or {}),
    }


def _yes(flag: object) -> str:
    return "" if flag is None else str(flag).lower()


def _vitals(vitals: dict[str, Any]) -> dict[str, str]:
    memory, cpu = vitals.get("mem") or {}, vitals.get("cpu") or {}
    uptime = (vitals.get("uptime") or {}).get("secs")
    return {
        "load": ", ".join(str(number) for number in vitals.get("load") or ()),
        "memory": f"{memory.get('percent', '?')}% ({_size(memory.get('kb'))})" if memory else "",
        "cpu": f"{cpu.get('user', '?')}% {cpu.get('sys', '?')}%" if cpu else "",
        "uptime": _age(float(uptime)) if uptime is not None else "",
    }


def _size(kb: object) -> str:
    """The agent tells kilobytes, as text (section 1.17)."""
    count = float(str(kb or 0))
    return f"{count / 1e6:.1f} GB" if count >= 1e6 else f"{count / 1e3:.0f} MB"


def _age(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h {minutes}m {rest}s"
