"""``make bench``: every scenario, a table, build/bench.json (demos' figures stay). Ends with 1 if a goal is missed."""

import sys
from pathlib import Path

from bench import deploy_50, detect, heal, kubernetes, nsxt_200, terraform_kills, vsphere_200
from bench.figures import add, show


def main() -> int:
    figures = [*deploy_50.measure(), *vsphere_200.measure(), *nsxt_200.measure()]
    figures += [*heal.measure(), *detect.measure(), *terraform_kills.measure(), *kubernetes.measure()]
    show(figures)
    add(figures, Path("build/bench.json"))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
