"""The program behind ``director build-stemcell``: its options are checked there, by the command."""

import argparse
import logging
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

import structlog

from director.adapters.bundles import build as build_bundle
from director.stemcell.build import build
from director.stemcell.failure import Impossible
from director.stemcell.mirror import find_sources
from director.stemcell.recipe import PYTHON, Recipe, Target

_FAILED, _IMPOSSIBLE, _INTERRUPTED = 1, 2, 130


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    # What the steps tell goes to standard output; the parts of the daemon that are used here log elsewhere.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        archive = build(_recipe(options), partial(build_bundle, pythons=(PYTHON,)))
    except Impossible as why:
        sys.stderr.write(f"{why}\n")
        return _IMPOSSIBLE
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'writing'}: {error.strerror}. Nothing is left of it.\n")
        return _FAILED
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted: nothing is left of it.\n")
        return _INTERRUPTED
    sys.stdout.write(f"{archive} ({archive.stat().st_size >> 20} MB)\nUpload it: director upload-stemcell {archive}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="director build-stemcell")
    parser.add_argument("--for", dest="target", type=Target, required=True)
    parser.add_argument("--version", default=datetime.now(UTC).strftime("%Y%m%d.%H%M"))
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--work", type=Path, default=Path("/var/tmp"))  # noqa: S108  (a directory of its own is made in it)
    parser.add_argument("--mirror")
    parser.add_argument("--security-mirror")
    parser.add_argument("--disk-mb", type=int, default=4096)
    parser.add_argument("--without-compilers", action="store_true")
    parser.add_argument("--package", action="append", default=[])
    parser.add_argument("--from", dest="base", type=Path)
    return parser


def _recipe(options: argparse.Namespace) -> Recipe:
    return Recipe(
        target=options.target,
        version=options.version,
        out=options.out.absolute(),
        work=options.work.absolute(),
        sources=() if options.base else find_sources(options.mirror, options.security_mirror),
        disk_mb=options.disk_mb,
        is_compiling=not options.without_compilers,
        more=tuple(options.package),
        base=options.base.absolute() if options.base else None,
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
