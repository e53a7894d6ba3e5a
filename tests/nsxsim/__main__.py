"""The command: python -m tests.nsxsim. README.md tells what it simulates."""

import argparse
import asyncio
import json
import os
import shutil
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

from tests.nsxsim import links, server, store, tls
from tests.nsxsim.auth import User
from tests.nsxsim.cluster import ADMIN, Cluster, rooms
from tests.nsxsim.problems import Refusal
from tests.nsxsim.settings import Settings

Address = tuple[str, int]


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _user(text: str) -> User:
    name, _, rest = text.partition(":")
    password, _, role = rest.partition(":")
    if not name or not password:
        raise argparse.ArgumentTypeError("a user is NAME:PASSWORD or NAME:PASSWORD:ROLE")
    return User(name, password, role or "enterprise_admin")


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.nsxsim",
        description="Simulates an NSX-T manager cluster's Policy API. State is in memory unless --state is given.",
    )
    add = made.add_argument
    add("--listen", action="append", type=_address, metavar="HOST:PORT", help="an address; repeat for more managers")
    add("--control", type=_address, metavar="HOST:PORT", help="an address that stays up when managers are switched off")
    add("--user", action="append", type=_user, metavar="NAME:PASSWORD[:ROLE]", help="default: admin:admin")
    add("--tls", action="store_true", help="HTTPS with a certificate made on the spot")
    add("--cert", type=Path, help="HTTPS with this certificate (PEM)")
    add("--key", type=Path, help="its key (PEM)")
    add("--cert-out", type=Path, help="where to write the certificate in use, for clients to trust")
    add("--client-ca", type=Path, help="CA of client certificates; registered ones are taken without")
    add("--state", type=Path, help="load from and save to this file")
    add("--seed", type=Path, help="what stands at the beginning (JSON); default: see the README")
    add("--set", action="append", type=_setting, default=[], metavar="NAME=VALUE", help="a setting; see --settings")
    add("--settings", action="store_true", help="list the settings and end")
    links.add_arguments(add)
    add("--ready-fd", type=int, help="write the ready line to this descriptor instead of standard output")
    add("--stdin-exit", action="store_true", help="end when standard input is closed")
    return made


def main() -> int:
    said = parser().parse_args()
    rooms()
    if said.settings:
        for name, each in sorted(Settings.table.items()):
            print(f"{name:24} {each.default!r:20} {each.text}")
        return 0
    if bool(said.cert) != bool(said.key):
        print("--cert and --key go together", file=sys.stderr)
        return 2
    try:
        asyncio.run(_run(said))
    except (Refusal, OSError, ValueError) as wrong:
        print(f"nsxsim: {wrong}", file=sys.stderr)
        return 1
    return 0


async def _run(said: argparse.Namespace) -> None:
    addresses: list[Address] = said.listen or [("127.0.0.1", 0)]
    made, folder = _context(said, addresses)
    seeds = json.loads(said.seed.read_text()) if said.seed else None
    saved = store.load(said.state) if said.state else None
    cluster = Cluster(
        users=said.user or [ADMIN],
        seeds=store.NOTHING if saved else seeds,
        settings=Settings(**dict(said.set)),
        tls=made,
    )
    if saved:
        store.restore(cluster, saved)
    keeper = store.Keeper(cluster, said.state) if said.state else None
    managers = await server.serve(cluster, addresses, made)
    control = await server.control(cluster, said.control) if said.control else None
    tied = await links.start(said, cluster)
    _say_ready(said, managers, control)
    try:
        await _told_to_stop(with_stdin=said.stdin_exit)
    finally:
        await links.close(tied)
        for manager in [*managers, *([control] if control else [])]:
            await manager.end()
        if keeper is not None:
            keeper.save()
        if folder is not None:
            shutil.rmtree(folder)


def _context(said: argparse.Namespace, addresses: list[Address]) -> tuple[ssl.SSLContext | None, Path | None]:
    if not said.tls and not said.cert:
        return None, None
    certificate, key, folder = said.cert, said.key, None
    if not certificate:
        certificate, key = tls.written(*tls.self_signed(["localhost", "127.0.0.1", "::1", *(h for h, _ in addresses)]))
        folder = certificate.parent
    if said.cert_out:
        said.cert_out.write_bytes(certificate.read_bytes())
    return tls.context(certificate, key, said.client_ca), folder


def _say_ready(said: argparse.Namespace, managers: list[server.Manager], control: server.Manager | None) -> None:
    line = json.dumps({"urls": [each.url for each in managers], "control": control.url if control else managers[0].url})
    if said.ready_fd is None:
        print(line, flush=True)
    else:
        with os.fdopen(said.ready_fd, "w") as out:
            out.write(line + "\n")


async def _told_to_stop(*, with_stdin: bool) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    if with_stdin:
        loop.add_reader(sys.stdin, lambda: None if os.read(sys.stdin.fileno(), 4096) else told.set())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()


if __name__ == "__main__":
    sys.exit(main())
