"""Instances and VMs: how they are, and starting, stopping, restarting, replacing them."""

import json
from pathlib import Path
from typing import Any

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.follow import follow, task_of
from director.cli.show import Table, say, show

slug_argument = click.argument("slug", required=False, default="", metavar="[GROUP[/INSTANCE]]")


def _rows(context: Context, kind: str) -> list[dict[str, Any]]:
    """One object per instance or VM, as the director's task gives them (section 6.2, format=full)."""
    answer = context.director.send("GET", f"/deployments/{context.need_deployment()}/{kind}", query={"format": "full"})
    task = task_of(answer.location)
    follow(context.director, task, quiet=True)
    return [json.loads(line) for line in context.director.output(task, "result", follow=False)]


def _shown(found: dict[str, Any]) -> dict[str, str]:
    return {
        "instance": f"{found['job_name']}/{found['id']}",
        "index": str(found["index"]),
        "process_state": found["job_state"] or found["state"] or "",
        "az": found["az"] or "",
        "ips": "\n".join(found["ips"]),
        "vm_cid": found["vm_cid"] or "",
        "vm_type": found["vm_type"] or "",
        "state": found["state"] or "",
        "deployment": "",
    }


HEADER = {"instance": "Instance", "process_state": "Process State", "az": "AZ", "ips": "IPs"}


@click.command()
@click.option("-p", "--ps", is_flag=True, help="Show processes.")
@click.option("-i", "--details", is_flag=True, help="Show state, VM, index, disks.")
@click.option("--vitals", is_flag=True, help="Show load, memory and disks.")
@click.option("-f", "--failing", is_flag=True, help="Only those that do not run.")
@pass_context
def instances(context: Context, /, ps: bool, details: bool, vitals: bool, failing: bool) -> None:
    """Lists instances and how they are."""
    found = _rows(context, "instances")
    rows: list[dict[str, str]] = []
    for instance in found:
        if failing and instance["job_state"] in {"running", "stopped"}:
            continue
        rows.append({**_shown(instance), **_details(instance), **_vitals(instance)})
        if ps:
            rows += [_process(process) for process in instance["processes"]]
    header = dict(HEADER)
    if ps:
        header = {"instance": "Instance", "process": "Process", **{k: v for k, v in HEADER.items() if k != "instance"}}
    if details:
        header |= {
            "state": "State",
            "vm_cid": "VM CID",
            "index": "Index",
            "bootstrap": "Bootstrap",
            "disks": "Disk CIDs",
        }
    if vitals:
        header |= VITALS
    show(Table(content="instances", header=header, rows=rows), as_json=context.as_json)


@click.command()
@click.option("--vitals", is_flag=True)
@pass_context
def vms(context: Context, /, vitals: bool) -> None:
    """Lists VMs and how they are."""
    rows = [{**_shown(vm), **_vitals(vm), "active": str(vm["active"]).lower()} for vm in _rows(context, "vms")]
    header = {**HEADER, "vm_cid": "VM CID", "vm_type": "VM Type", "active": "Active"} | (VITALS if vitals else {})
    show(Table(content="vms", header=header, rows=rows), as_json=context.as_json)


VITALS = {"load": "Load", "memory": "Memory", "cpu": "CPU user/sys", "uptime": "Uptime"}


def _details(found: dict[str, Any]) -> dict[str, str]:
    return {"bootstrap": str(found["bootstrap"]).lower(), "disks": "\n".join(found["disk_cids"] or [])}


def _vitals(found: dict[str, Any]) -> dict[str, str]:
    vitals = found.get("vitals") or {}
    memory, cpu = vitals.get("mem") or {}, vitals.get("cpu") or {}
    uptime = (vitals.get("uptime") or {}).get("secs")
    return {
        "load": ", ".join(str(n) for n in vitals.get("load") or []),
        "memory": f"{memory['percent']}% ({memory['kb']} kB)" if memory else "",
        "cpu": f"{cpu['user']}% {cpu['sys']}%" if cpu else "",
        "uptime": f"{float(uptime):.0f} s" if uptime else "",
    }


def _process(process: dict[str, Any]) -> dict[str, str]:
    return {"process": process["name"], "process_state": process["state"]}


def _change(context: Context, slug: str, state: str, verb: str, query: dict[str, object]) -> None:
    name = context.need_deployment()
    context.confirm(f"{verb} {slug or 'every instance'} of {name}?")
    answer = context.director.send(
        "PUT",
        f"/deployments/{name}/jobs/{slug or '*'}",
        query={"state": state, **query},
        headers={"Content-Type": "text/yaml"},
        body=b"",
    )
    follow(context.director, task_of(answer.location))


@click.command()
@slug_argument
@pass_context
def start(context: Context, /, slug: str) -> None:
    """Starts instances."""
    _change(context, slug, "started", "Start", {})


@click.command()
@slug_argument
@click.option("--hard", is_flag=True, help="Remove the VM too; disk and addresses are kept.")
@click.option("--skip-drain", is_flag=True)
@pass_context
def stop(context: Context, /, slug: str, hard: bool, skip_drain: bool) -> None:
    """Stops the jobs of instances."""
    _change(context, slug, "detached" if hard else "stopped", "Stop", {"skip_drain": "*" if skip_drain else ""})


@click.command()
@slug_argument
@click.option("--skip-drain", is_flag=True)
@click.option("--canaries", default="")
@click.option("--max-in-flight", default="")
@pass_context
def restart(context: Context, /, slug: str, skip_drain: bool, canaries: str, max_in_flight: str) -> None:
    """Restarts the jobs of instances."""
    query = {"skip_drain": "*" if skip_drain else "", "canaries": canaries, "max_in_flight": max_in_flight}
    _change(context, slug, "restart", "Restart", query)


@click.command()
@slug_argument
@click.option("--fix", is_flag=True, help="Also VMs whose agents do not answer.")
@click.option("--skip-drain", is_flag=True)
@click.option("--canaries", default="")
@click.option("--max-in-flight", default="")
@pass_context
def recreate(context: Context, /, slug: str, fix: bool, skip_drain: bool, canaries: str, max_in_flight: str) -> None:
    """Replaces the VMs of instances; disks and addresses are kept."""
    query: dict[str, object] = {
        "fix": fix,
        "skip_drain": "*" if skip_drain else "",
        "canaries": canaries,
        "max_in_flight": max_in_flight,
    }
    _change(context, slug, "recreate", "Recreate", query)


def _ignore(context: Context, slug: str, *, flag: bool) -> None:
    if "/" not in slug:
        raise CommandFailed(f"{slug} names no single instance: write group/index or group/uuid.", Exit.BAD_INPUT)
    group, _, instance = slug.partition("/")
    path = f"/deployments/{context.need_deployment()}/instance_groups/{group}/{instance}/ignore"
    context.director.send_json("PUT", path, {"ignore": flag})
    say(f"{slug} is {'ignored: no deploy touches it' if flag else 'no longer ignored'}.")


@click.command()
@click.argument("slug", metavar="GROUP/INSTANCE")
@pass_context
def ignore(context: Context, /, slug: str) -> None:
    """Lets no deploy touch an instance."""
    _ignore(context, slug, flag=True)


@click.command()
@click.argument("slug", metavar="GROUP/INSTANCE")
@pass_context
def unignore(context: Context, /, slug: str) -> None:
    """Lets deploys change an instance again."""
    _ignore(context, slug, flag=False)


@click.command()
@slug_argument
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--job", "jobs", multiple=True, help="Only logs of this job.")
@click.option("--only", default="", help="Comma list of globs below the log directory.")
@click.option("--agent", is_flag=True, help="The agent's logs instead of the jobs'.")
@pass_context
def logs(context: Context, /, slug: str, directory: Path, jobs: tuple[str, ...], only: str, agent: bool) -> None:
    """Fetches logs from instances, one archive each."""
    name = context.need_deployment()
    group, _, instance = slug.partition("/")
    filters = ",".join([*(f"{job}/**/*" for job in jobs), *([only] if only else [])])
    path = f"/deployments/{name}/jobs/{group or '*'}/{instance or '*'}/logs"
    answer = context.director.send("GET", path, query={"type": "agent" if agent else "job", "filters": filters})
    task = follow(context.director, task_of(answer.location), quiet=True)
    directory.mkdir(parents=True, exist_ok=True)
    for number, blob in enumerate(task["result"].split(",")):
        target = directory / f"{name}-{slug.replace('/', '-') or 'all'}-task{task['id']}-{number}.tgz"
        size = context.director.download(f"/resources/{blob}", target)
        say(f"{target} ({size} bytes)")
