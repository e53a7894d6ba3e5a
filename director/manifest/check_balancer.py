"""Load balancers, wherever they stand: pools, monitors, virtual servers, and addresses out of pools."""

from typing import Final

from director.manifest import faults
from director.manifest.addresses import read_address
from director.manifest.document import Path
from director.manifest.fabric_text import PORT_FIX, port_text
from director.manifest.near import instead_of
from director.manifest.pick import items, text, tree_at, trees
from director.manifest.report import Report
from director.model.tree import Tree

_WITH_PATH: Final = ("http", "https")
_PORTS_MAX: Final = 14
"""A virtual server of NSX-T has no more (agent-cpi-vsphere.md 5.7)."""


def check_balancer(report: Report, path: Path, tree: Tree) -> None:
    """``tree`` has server_pools and virtual_servers."""
    check_unique(report, (*path, "server_pools"), tree, "server_pools", "server pool")
    check_unique(report, (*path, "virtual_servers"), tree, "virtual_servers", "virtual server")
    pools = tuple(text(pool, "name") for _, pool in trees(tree, "server_pools"))
    for index, pool in trees(tree, "server_pools"):
        _check_monitor(report, (*path, "server_pools", index, "monitor"), pool)
    for index, server in trees(tree, "virtual_servers"):
        _check_server(report, (*path, "virtual_servers", index), server, pools)


def check_unique(report: Report, path: Path, tree: Tree, key: str, what: str) -> None:
    """No two items of a list have one name."""
    seen: set[str] = set()
    for index, item in trees(tree, key):
        name = text(item, "name")
        if name and name in seen:
            detail = f'The {what} "{name}" is declared twice.'
            report.error((*path, index, "name"), faults.FABRIC_TWICE, detail, "rename or remove one of the two.")
        seen.add(name)


def check_address(report: Report, path: Path, tree: Tree) -> None:
    """Exactly one of ``ip`` and ``pool``."""
    if report.is_broken((*path, "ip")) or report.is_broken((*path, "pool")):
        return
    if ("ip" in tree) == ("pool" in tree):
        have = "both ip and pool" if "ip" in tree else "neither ip nor pool"
        fix = "write ip: with a fixed address, or pool: with the IP pool to take one from."
        report.error(path, faults.FABRIC_KEYS, f"{report.words(path)} has {have}.", fix)
    elif "ip" in tree:
        check_ip(report, (*path, "ip"), text(tree, "ip"))


def check_ip(report: Report, path: Path, written: str) -> None:
    if read_address(written) is None and not report.is_broken(path):
        detail = f'{report.words(path)} is "{written[:60]}", which is no address.'
        report.error(path, faults.FABRIC_ADDRESS, detail, "write an address such as 10.0.0.5.")


def check_port(report: Report, path: Path, tree: Tree, key: str) -> None:
    if key in tree and port_text(tree[key]) is None and not report.is_broken((*path, key)):
        detail = f'{report.words((*path, key))} is "{str(tree[key])[:60]}", which is no port.'
        report.error((*path, key), faults.FABRIC_PORT, detail, PORT_FIX)


def _check_monitor(report: Report, path: Path, pool: Tree) -> None:
    monitor = tree_at(pool, "monitor")
    kind = text(monitor, "type", "tcp")
    for key in ("path", "status_codes"):
        if key in monitor and kind not in _WITH_PATH and not report.is_broken(path):
            detail = f"{report.words(path)} has {key}, but a {kind} monitor asks for no page."
            report.error((*path, key), faults.FABRIC_KEYS, detail, f"remove {key}, or write type: http.")
    if kind != "icmp" and monitor and "port" not in monitor and "port" not in pool and not report.is_broken(path):
        detail = f'Neither the monitor nor the server pool "{text(pool, "name")}" says which port to ask.'
        report.error(path, faults.FABRIC_NEEDS, detail, "add port: to the server pool or to the monitor.")


def _check_server(report: Report, path: Path, server: Tree, pools: tuple[str, ...]) -> None:
    check_address(report, path, server)
    ports = items(server, "ports")
    for index, port in ports:
        where: Path = (*path, "ports", index)
        if port_text(port) is None and not report.is_broken(where):
            detail = f'{report.words((*path, "ports"))} has "{str(port)[:60]}", which is no port.'
            report.error(where, faults.FABRIC_PORT, detail, PORT_FIX)
    if len(ports) > _PORTS_MAX:
        detail = f"{report.words(path)} has {len(ports)} ports, but NSX-T takes {_PORTS_MAX}."
        report.error((*path, "ports"), faults.FABRIC_PORT, detail, "write ranges, or a second virtual server.")
    name = text(server, "server_pool")
    if name and name not in pools:
        detail = f'{report.words(path)} sends to the server pool "{name}", which this load balancer does not have.'
        fix = instead_of(name, pools, f'add "{name}" under server_pools')
        report.error((*path, "server_pool"), faults.FABRIC_UNKNOWN, detail, fix)
    if text(server, "persistence") == "cookie" and text(server, "profile", "tcp") != "http":
        detail = f"{report.words(path)} keeps clients by cookie, which only profile http can."
        report.error((*path, "persistence"), faults.FABRIC_KEYS, detail, "write source_ip, or profile: http.")
