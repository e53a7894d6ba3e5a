"""Which network is the segment that a new VM waits for, among those vCenter shows."""

import pytest

pytest.importorskip("pyVmomi")

from director.adapters.vsphere.segments import choose
from director.adapters.vsphere.where import NetworkKind
from tests.support.vsphere_site import network

OPAQUE = {"kind": NetworkKind.OPAQUE, "of": "nsx.LogicalSwitch"}
GROUP = {"kind": NetworkKind.NSX_DISTRIBUTED, "of": "nsx.LogicalSwitch"}
H1, H2 = {"hosts": frozenset({"h1"})}, {"hosts": frozenset({"h2"})}


@pytest.mark.parametrize(
    ("there", "host", "expected"),
    [
        ([], "h1", None),
        ([network("db", key="ls-1", **GROUP, **H1)], "h1", None),
        ([network("web", key="ls-1", **OPAQUE, **H1)], "h1", "net-web"),
        ([network("web", key="ls-1", **GROUP, **H2)], "h1", None),
        ([network("web", key="ls-1", **GROUP, **H2)], None, "net-web"),
        ([network("web", key="ls-1", **GROUP)], "h1", "net-web"),
        ([network("web", "a", key="ls-1", **GROUP, **H2), network("web", "b", key="ls-1", **GROUP, **H1)],
         "h1", "net-b"),
        ([network("web", "a", key="ls-1", **OPAQUE, **H1), network("web", "b", key="ls-1", **GROUP, **H1)],
         "h1", "net-a"),
        ([network("web", "a", key="ls-1", **GROUP, **H1), network("web", "b", key="ls-2", **GROUP, **H1)], "h1", None),
        ([network("web", "a", key="ls-1", **GROUP, **H1), network("web", "b", key="ls-2", **GROUP, **H2)],
         "h1", "net-a"),
    ],
)  # fmt: skip
def test_the_segment_is_the_one_that_the_host_has(there, host, expected):
    found = choose(there, "web", host)
    assert (found.moid if found else None) == expected
