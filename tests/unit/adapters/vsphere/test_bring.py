"""The agent is brought by SSH to an address at which the VM can be reached."""

from pathlib import Path

import pytest

from director.adapters.vsphere import bring
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.watch import WatchedVm
from director.model.names import AgentId, DeploymentName, InstanceId, StemcellCid, VmName
from director.model.wanted import VmShape
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import Enrolment, VmRequest

REQUEST = VmRequest(
    name=VmName("web-0"),
    instance=InstanceId("i"),
    deployment=DeploymentName("d"),
    shape=VmShape(
        stemcell_name="rhel",
        stemcell_version="1",
        stemcell_cid=StemcellCid("s"),
        cloud_properties={},
        networks={"front": {"type": "manual", "ip": "10.1.0.5", "netmask": "255.255.255.0"}},
    ),
    enrolment=Enrolment(
        agent=AgentId("agent-1"), token="t", ca_certificate="CA", enrol_targets=("d:1",), agent_targets=("d:2",)
    ),
)
ACCESS = {"ssh": {"template": "rhel*", "password": "p", "host_key": "ssh-ed25519 AAAA"}}


class Seen:
    """A watch that sees these addresses, one set after the other."""

    def __init__(self, *addresses: tuple[str, ...]) -> None:
        self._views = [WatchedVm(moid="vm-1", addresses=view) for view in addresses]

    async def await_vm(self, moid, is_so, timeout_s):
        assert moid == "vm-1"
        return next(view for view in self._views if is_so(view))


class Blind(Seen):
    """A watch that sees a VM, and no address of it in time."""

    def __init__(self, tools: str) -> None:
        super().__init__()
        self.vms = {"vm-1": WatchedVm(moid="vm-1", power="poweredOn", tools=tools)}

    async def await_vm(self, moid, is_so, timeout_s):
        raise Fault("waiting for VM web-0", is_reply_lost=True) from TimeoutError()


async def _bundle() -> Path:
    return Path("bundle.tar.gz")


@pytest.mark.parametrize(
    ("addresses", "host"),
    [
        (("fe80::1", "10.1.0.77", "10.1.0.9"), "10.1.0.77"),
        (("10.1.0.2", "10.1.0.5"), "10.1.0.5"),
        (("fd00::9",), "fd00::9"),
        (("fd00::1", "192.168.0.9"), "192.168.0.9"),
    ],
)
async def test_the_address_is_one_that_can_be_reached(monkeypatch, addresses: tuple[str, ...], host: str) -> None:
    brought = []

    async def install(host, access, bundle, enrolment):
        brought.append((host, access.password, bundle, "agent-1" in enrolment))

    monkeypatch.setattr(bring, "install", install)
    await bring.bring_agent(Seen((), ("fe80::1", "169.254.0.1", "::1"), addresses), "vm-1", REQUEST, ACCESS, _bundle)
    assert brought == [(host, "p", Path("bundle.tar.gz"), True)]


@pytest.mark.parametrize(
    ("tools", "words"),
    [("guestToolsNotRunning", "VMware Tools do not run in it"), ("guestToolsRunning", "run, but show no address")],
)
async def test_a_vm_without_an_address_is_told_with_what_its_tools_show(tools: str, words: str) -> None:
    with pytest.raises(InfrastructureFailure, match="has shown no address") as told:
        await bring.bring_agent(Blind(tools), "vm-1", REQUEST, ACCESS, _bundle)
    assert words in str(told.value)
    assert "look at the VM's console" in str(told.value)


async def test_a_template_nobody_has_access_to_is_refused_before_anything_is_awaited() -> None:
    with pytest.raises(InfrastructureFailure, match='Template "rhel" gets its agent by SSH'):
        await bring.bring_agent(Seen(), "vm-1", REQUEST, {}, _bundle)
