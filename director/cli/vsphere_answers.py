"""Gathers what ``director configure vsphere`` needs: from flags, and from a person where a flag is missing.

Without a terminal nothing is asked: every flag that is missing, and everything wrong with those given, is told at once.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from director.cli.dialogue import ask_one, ask_secret, ask_text, ask_which
from director.cli.errors import CommandFailed, Exit
from director.cli.setup_program import ask_setup
from director.cli.show import Table, say, show
from director.cli.vsphere_files import Answers, azs_of, first_address, wrong_with_network

NEEDED: Final = {
    "host": "--host HOST",
    "user": "--user NAME",
    "password": "--password-file FILE or --password-stdin",
    "clusters": "--cluster NAME (several times for several)",
    "datastore_pattern": "--datastore-pattern REGEX",
    "network": "--network NAME",
    "range": "--range CIDR",
}
"""What has no answer of its own. The datacenter has, where there is only one; the rest has defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Flags as given, empty where not. ``ca_certificate`` is PEM text."""

    host: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    ca_certificate: str = field(default="", repr=False)
    insecure: bool = False
    datacenter: str = ""
    clusters: tuple[str, ...] = ()
    azs: tuple[str, ...] = ()
    datastore_pattern: str = ""
    persistent_datastore_pattern: str = ""
    network: str = ""
    range: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)


def password_of(*, file: str, is_stdin: bool, variable: str) -> str:
    """The first line of a file or of standard input, else what the environment has. Raises CommandFailed."""
    if not file and not is_stdin:
        return variable
    if is_stdin or file == "-":
        return sys.stdin.readline().rstrip("\r\n")
    try:
        return Path(file).read_text().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise CommandFailed(f"The password cannot be read from {file}: {why}.", Exit.BAD_INPUT) from error


def missing_flags(given: Given) -> list[str]:
    """The flags that only a person could stand in for."""
    return [flag for key, flag in NEEDED.items() if not getattr(given, key)]


def gather(given: Given, *, is_asking: bool) -> tuple[Answers, Mapping[str, Any]]:
    """The answers, and what vCenter showed. Raises CommandFailed."""
    if not is_asking and (missing := missing_flags(given)):
        lines = "\n".join(f"  {flag}" for flag in missing)
        raise CommandFailed(
            f"Nobody can be asked here (no terminal, or -n), and these are missing:\n{lines}", Exit.BAD_INPUT
        )
    login = _login(given)
    seen = _look(login, given.datacenter, is_asking=is_asking)
    for warning in seen["warnings"]:
        say(f"warning: {warning}", to_stderr=True)
    answers = _asked(given, login, seen) if is_asking else _taken(given, login, seen)
    if wrong := wrong_with(answers, seen):
        raise CommandFailed("\n".join(wrong), Exit.BAD_INPUT)
    return answers, seen


def _login(given: Given) -> dict[str, Any]:
    host, port = split_host(given.host or ask_text("vCenter's name or address"))
    return {
        "do": "look",
        "host": host,
        "port": port,
        "user": given.user or ask_text("The director's account there", default="administrator@vsphere.local"),
        "password": given.password or ask_secret("Its password"),
        "ca_certificate": given.ca_certificate,
        "is_verified": not given.insecure,
    }


def split_host(text: str) -> tuple[str, int]:
    """A name or address with its port, 443 unless given; a URL's other parts are dropped."""
    host = text.strip().removeprefix("https://").partition("/")[0]
    name, colon, port = host.rpartition(":")
    return (name, int(port)) if colon and ":" not in name and port.isdecimal() else (host, 443)


def _look(login: Mapping[str, Any], datacenter: str, *, is_asking: bool) -> dict[str, Any]:
    """Everything to choose from in one datacenter; with several, a person says in which."""
    seen = ask_setup({**login, "datacenter": datacenter})
    if seen["datacenter"]:
        return seen
    names = seen["datacenters"]
    if not is_asking:
        raise CommandFailed(
            f"There are several datacenters; say which with --datacenter: {', '.join(names)}.", Exit.BAD_INPUT
        )
    return ask_setup({**login, "datacenter": ask_one(f"Datacenter ({', '.join(names)})", names)})


def _taken(given: Given, login: Mapping[str, Any], seen: Mapping[str, Any]) -> Answers:
    """From flags alone. Raises CommandFailed when the AZs do not fit the clusters."""
    azs = azs_of(given.azs, given.clusters)
    if azs is None:
        many = f"{len(given.azs)} AZs for {len(given.clusters)} clusters"
        raise CommandFailed(f"--azs names {many}: give one for each cluster, or one for all.", Exit.BAD_INPUT)
    return _answers(
        given,
        login,
        seen,
        azs=azs,
        datastore_pattern=given.datastore_pattern,
        persistent_datastore_pattern=given.persistent_datastore_pattern or given.datastore_pattern,
        network=given.network,
        range=given.range,
        gateway=given.gateway or first_address(given.range),
        dns=given.dns,
        reserved=given.reserved,
    )


def _asked(given: Given, login: Mapping[str, Any], seen: Mapping[str, Any]) -> Answers:
    """Each flag that was not given is a question, with what vCenter has to choose from."""
    clusters = given.clusters or _ask_clusters(seen)
    azs = _ask_azs(given.azs, clusters)
    stores = [store["name"] for store in seen["datastores"]]
    if not (given.datastore_pattern and given.persistent_datastore_pattern):
        _show_stores(seen)
    pattern = given.datastore_pattern or _ask_pattern("Datastores for VMs", stores, "all")
    persistent = given.persistent_datastore_pattern or _ask_pattern("Datastores for persistent disks", stores, pattern)
    network = given.network or _ask_network(seen)
    net = given.range or ask_text("Addresses of that network (such as 10.0.16.0/24)", check=_check_range)
    return _answers(
        given,
        login,
        seen,
        azs=azs,
        datastore_pattern=pattern,
        persistent_datastore_pattern=persistent,
        network=network,
        range=net,
        gateway=given.gateway or ask_text("Its gateway", default=first_address(net)),
        dns=given.dns or parts_of(ask_text("DNS servers (may be none)", may_be_empty=True)),
        reserved=given.reserved
        or parts_of(ask_text("Addresses never to be given to VMs (may be none)", may_be_empty=True)),
    )


def _answers(given: Given, login: Mapping[str, Any], seen: Mapping[str, Any], **chosen: Any) -> Answers:
    return Answers(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        ca_certificate=given.ca_certificate,
        is_verified=not given.insecure,
        datacenter=seen["datacenter"],
        static=given.static,
        folders=given.folders,
        **chosen,
    )


def wrong_with(answers: Answers, seen: Mapping[str, Any]) -> list[str]:
    """Names and patterns that vCenter has nothing for, addresses that cannot be: each a sentence."""
    wrong = [
        f'There is no cluster "{name}" in {answers.datacenter}; there are: {_names(seen["clusters"])}.'
        for name in answers.clusters
        if name not in {cluster["name"] for cluster in seen["clusters"]}
    ]
    for flag, pattern in (
        ("--datastore-pattern", answers.datastore_pattern),
        ("--persistent-datastore-pattern", answers.persistent_datastore_pattern),
    ):
        wrong += _wrong_with_pattern(flag, pattern, seen)
    if answers.network not in {network["name"] for network in seen["networks"]}:
        wrong.append(f'There is no network "{answers.network}"; there are: {_names(seen["networks"])}.')
    return [*dict.fromkeys(wrong), *wrong_with_network(answers)]


def matching(pattern: str, seen: Mapping[str, Any]) -> list[str]:
    return [store["name"] for store in seen["datastores"] if re.search(pattern, store["name"])]


def _wrong_with_pattern(flag: str, pattern: str, seen: Mapping[str, Any]) -> list[str]:
    try:
        found = matching(pattern, seen)
    except re.error as error:
        return [f"{flag} {pattern} is no regular expression: {error}."]
    return [] if found else [f"{flag} {pattern} matches no datastore; there are: {_names(seen['datastores'])}."]


def _ask_azs(names: Sequence[str], clusters: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    azs = azs_of(names, clusters) if names else None
    usual = ",".join(name for name, _ in azs_of((), clusters) or ())
    while azs is None:
        answer = ask_text("AZs, one for each cluster or one for all", default=usual)
        azs = azs_of(parts_of(answer), clusters)
        if azs is None:
            say(f"Give {len(clusters)} names, or one.")
    return azs


def _ask_clusters(seen: Mapping[str, Any]) -> tuple[str, ...]:
    rows = [
        {"n": str(n), "name": c["name"], "hosts": f"{c['hosts_usable']} of {c['hosts']}", "free": _gb(c["free_mb"])}
        for n, c in enumerate(seen["clusters"], 1)
    ]
    header = {"n": "#", "name": "Cluster", "hosts": "Hosts Up", "free": "Memory Free"}
    show(Table(content="clusters", header=header, rows=rows), as_json=False)
    return tuple(ask_which("Clusters for VMs (numbers or names)", [c["name"] for c in seen["clusters"]], default="all"))


def _show_stores(seen: Mapping[str, Any]) -> None:
    rows = [
        {
            "n": str(n),
            "name": s["name"],
            "free": f"{_gb(s['free_mb'])} of {_gb(s['capacity_mb'])}",
            "clusters": ", ".join(s["clusters"]),
            "state": "" if s["is_usable"] else "not accessible, or in maintenance",
        }
        for n, s in enumerate(seen["datastores"], 1)
    ]
    header = {"n": "#", "name": "Datastore", "free": "Free", "clusters": "Clusters", "state": "State"}
    show(Table(content="datastores", header=header, rows=rows), as_json=False)


def _ask_pattern(question: str, names: Sequence[str], default: str) -> str:
    """Numbers and names become a pattern that matches exactly those; anything else is a pattern already."""
    answer = ask_text(f"{question} (numbers, names, or a regular expression)", default=default)
    parts = names if answer == "all" else [_by_number(part, names) for part in parts_of(answer)]
    if all(part in names for part in parts):
        return f"^({'|'.join(re.escape(part) for part in parts)})$"
    return answer


def _by_number(part: str, names: Sequence[str]) -> str:
    return names[int(part) - 1] if part.isdecimal() and 0 < int(part) <= len(names) else part


def _ask_network(seen: Mapping[str, Any]) -> str:
    rows = [
        {"n": str(n), "name": network["name"], "kind": network["kind"], "switch": network["switch"]}
        for n, network in enumerate(seen["networks"], 1)
    ]
    header = {"n": "#", "name": "Network", "kind": "Kind", "switch": "Switch"}
    show(Table(content="networks", header=header, rows=rows), as_json=False)
    return ask_one("Network of VMs (number or name)", [network["name"] for network in seen["networks"]])


def _check_range(text: str) -> str:
    return "" if first_address(text) else f"{text} is no network: write it as 10.0.16.0/24, its host bits zero."


def parts_of(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _names(found: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(str(one["name"]) for one in found) or "none"


def _gb(megabytes: int) -> str:
    return f"{megabytes / 1024:.0f} GB"
