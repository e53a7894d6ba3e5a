"""Building a stemcell: done by a program of its own, which this command becomes."""

import os
import re
import sys
from pathlib import Path

import click

COMMAND: tuple[str, ...] = (sys.executable, "-m", "director.stemcell")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*")


def _checked_version(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del ctx, parameter
    if value is not None and not _VERSION.fullmatch(value):
        raise click.BadParameter(f'"{value}" is no version: use letters, digits and . _ + -, as in 1.2.')
    return value


@click.command()
@click.option(
    "--for", "infrastructure", type=click.Choice(["vsphere", "local"]), required=True, help="What it is to run on."
)
@click.option("--version", callback=_checked_version, help="Its version; otherwise made of the date and time.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where the archive goes.")
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), help="Where to build; needs some 8 GB.")
@click.option("--mirror", help="Debian mirror; otherwise the one this machine's apt uses.")
@click.option("--security-mirror", help="Mirror of Debian's security updates; otherwise apt's.")
@click.option(
    "--disk-mb",
    type=click.IntRange(2048, 65536),
    default=4096,
    show_default=True,
    help="Root disk's size, for vSphere.",
)
@click.option("--without-compilers", is_flag=True, help="Half the size; packages in source cannot be compiled on it.")
@click.option("--package", multiple=True, help="A further Debian package; may be given several times.")
@click.option(
    "--from",
    "base",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An earlier stemcell for local: its Debian is taken as it is, only the agent is new. Takes seconds.",
)
def build_stemcell(
    infrastructure: str,
    version: str | None,
    out: Path,
    work: Path | None,
    mirror: str | None,
    security_mirror: str | None,
    disk_mb: int,
    without_compilers: bool,
    package: tuple[str, ...],
    base: Path | None,
) -> None:
    """Builds a stemcell: a Debian with the agent in it, for `upload-stemcell`.

    Needs root, debootstrap, a Debian mirror and, for vSphere, qemu-img; takes some minutes. What is left after a
    failure or Ctrl-C is nothing.
    """
    if base is not None and infrastructure != "local":
        raise click.UsageError("--from is for --for local: a disk for vSphere is made from nothing.")
    if base is not None and (package or without_compilers):
        raise click.UsageError(
            "--from takes Debian's packages as they are: leave --package and --without-compilers out."
        )
    words = [
        f"--for={infrastructure}",
        f"--out={out}",
        f"--disk-mb={disk_mb}",
        *(f"--package={one}" for one in package),
    ]
    given = {"version": version, "work": work, "mirror": mirror, "security-mirror": security_mirror, "from": base}
    words += [f"--{name}={value}" for name, value in given.items() if value is not None]
    words += ["--without-compilers"] if without_compilers else []
    os.execv(COMMAND[0], [*COMMAND, *words])  # noqa: S606  (this process becomes it)
