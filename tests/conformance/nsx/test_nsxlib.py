"""OpenStack's own client of NSX, ``vmware-nsxlib``, makes, changes and deletes the same objects in the simulator."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.nsxlib_venv import NoNsxlib, nsxlib_python
from tests.support.nsxsim import Nsxsim, nsxsim

WALK = Path(__file__).with_name("nsxlib_walk.py")
WALK_S = 100


def need_nsxlib() -> Path:
    """Skips where the library cannot be had, or fails where CI must not miss it."""
    try:
        return nsxlib_python()
    except NoNsxlib as without_it:
        without = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        without(f"vmware-nsxlib cannot be installed: {without_it}")


@pytest.fixture(scope="module")
def steps() -> Mapping[str, Mapping[str, Any]]:
    """What the library's walk told, by step; all of it against two managers of one cluster."""
    python = need_nsxlib()
    with nsxsim(managers=2, settings={"delete_lag_s": 0.1, "search_lag_s": 0.1}) as nsx:
        lines = _walk(python, nsx)
        left = sorted(path for path, body in nsx.state().items() if "/lib-" in path and not body["marked_for_delete"])
    assert left == []
    return {line["step"]: line for line in lines}


def _walk(python: Path, nsx: Nsxsim) -> list[dict[str, Any]]:
    done = subprocess.run(
        [python, "-W", "ignore", str(WALK), *nsx.urls, nsx.user],
        input=nsx.password + "\n", capture_output=True, text=True, timeout=WALK_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]


@pytest.mark.timeout(500)  # the first run installs the library
@pytest.mark.parametrize(
    "step, facts",
    [
        ("router", {"cluster": True}),
        ("advertised", {"types": ["TIER1_LB_VIP", "TIER1_NAT"]}),
        ("advertised again", {"types": ["TIER1_CONNECTED", "TIER1_LB_VIP"]}),
        ("realized", {"state": "REALIZED"}),
        ("rules", {"nat": ["lib-nat"], "routes": ["lib-route"]}),
        ("segment", {"state": "REALIZED", "gateway": "10.77.0.1/24"}),
        ("port", {"vif": "a7a7a7a7-0000-4000-8000-000000000001"}),
        ("segment with a port", {"refused": "NsxSegemntWithVM"}),
        ("subnet", {"kind": "IpAddressPoolBlockSubnet", "listed": 1}),
        ("address", {"inside": True, "subnet": "REALIZED"}),
        ("transaction", {"value": "bosh/job|web", "ports": ["80"]}),
        ("policy", {"rules": 1}),
        ("group in use", {"refused": "ResourceInUse"}),
        ("balancer", {"members": ["10.77.0.12"], "pool": "/infra/lb-pools/lib-lbpool"}),
        ("gone", {"refused": "ResourceNotFound"}),
        ("found by search", {"names": []}),
    ],
)
def test_openstacks_client_meets_what_it_expects(
    steps: Mapping[str, Mapping[str, Any]], step: str, facts: Mapping[str, Any]
) -> None:
    assert {name: fact for name, fact in steps[step].items() if name != "step"} == facts
