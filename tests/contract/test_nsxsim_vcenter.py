"""nsxsim beside vcsim: segments show up in the vCenter, VMs made on them get ports, and all goes as it came."""

import asyncio
import time
from urllib.parse import quote

import httpx
import pytest

pytest.importorskip("pyVmomi")

from pyVmomi import vim

from tests.support.nsxsim import nsxsim
from tests.support.vcproxy import vcproxy
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vcsim_segments import add_segment, clouds, planned
from tests.support.vsphere_world import moids, opened

EP = "/infra/realized-state/enforcement-points/default"
SOON_S = 10


@pytest.fixture(scope="module")
def sim():
    need_vcsim()
    with vcsim(clusters=1, hosts=2, datastores=1) as running:
        yield running


def tied(sim, *flags, **more):
    flags += ("--vcenter", sim.url, "--vcenter-user", sim.user, "--vcenter-password", sim.password)
    return nsxsim(*flags, **more)


class Api:
    def __init__(self, nsx):
        self._http = httpx.Client(base_url=f"{nsx.url}/policy/api/v1", auth=(nsx.user, nsx.password))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._http.close()

    def ask(self, method, path, body=None):
        answer = self._http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def names(self, path):
        return sorted(each["display_name"] for each in self.ask("GET", path)["results"])


async def until(is_so, what):
    """What the simulators do, they do a while later, and tell nobody here."""
    deadline = time.monotonic() + SOON_S
    while not (found := await asyncio.to_thread(is_so)):
        assert time.monotonic() < deadline, f"{what} is not so after {SOON_S} s"
        await asyncio.sleep(0.05)
    return found


async def shown(session, name):
    return name in await moids(session, vim.dvs.DistributedVirtualPortgroup)


async def until_shown(session, name, *, is_there=True):
    deadline = time.monotonic() + SOON_S
    while await shown(session, name) is not is_there:
        assert time.monotonic() < deadline, f"port group {name}: not {'there' if is_there else 'gone'}"
        await asyncio.sleep(0.05)


async def test_a_vm_on_a_segment_made_a_second_later_gets_its_port_and_takes_it_along(sim):
    with tied(sim) as nsx, Api(nsx) as api:
        async with clouds(sim) as cloud, opened(sim) as session:
            request, why = await planned(cloud, "web-1", "web net")
            assert "waits for segment" in why
            making = asyncio.ensure_future(cloud.create_vm(request))
            await asyncio.sleep(1)
            assert not making.done()
            body = {"display_name": "web net", "subnets": [{"gateway_address": "10.9.0.1/24"}]}
            api.ask("PATCH", "/infra/segments/seg-1", body)
            await asyncio.wait_for(making, SOON_S)

            (port,) = await until(lambda: api.ask("GET", "/infra/segments/seg-1/ports")["results"], "the port")
            assert port["id"].startswith("default:")
            (known,) = api.ask("GET", f"{EP}/virtual-machines?query=display_name:web-1")["results"]
            assert known["external_id"] == cloud._vms.known("web-1").instance_uuid
            assert known["power_state"] == "VM_RUNNING"
            (vif,) = api.ask("GET", f"{EP}/vifs")["results"]
            assert vif["lport_attachment_id"] == port["attachment"]["id"]
            assert vif["mac_address"].startswith("00:50:56")

            with pytest.raises(httpx.HTTPStatusError) as refused:
                api.ask("DELETE", "/infra/segments/seg-1")
            assert refused.value.response.json()["error_code"] == 503040
            await cloud.delete_vm("web-1")
            await until(lambda: not api.ask("GET", "/infra/segments/seg-1/ports")["results"], "no port")
            assert api.ask("GET", f"{EP}/virtual-machines")["results"] == []
            api.ask("DELETE", "/infra/segments/seg-1")
            await until_shown(session, "web net", is_there=False)


async def test_strangers_port_groups_stay_and_segments_follow_their_names(sim):
    with tied(sim) as nsx, Api(nsx) as api:
        async with opened(sim) as session:
            await add_segment(session, "another nsx's")
            api.ask("PATCH", "/infra/segments/seg-2", {"display_name": "before"})
            await until_shown(session, "before")
            api.ask("PATCH", "/infra/segments/seg-2", {"display_name": "after"})
            await until_shown(session, "after")
            assert not await shown(session, "before")
            api.ask("DELETE", "/infra/segments/seg-2")
            await until_shown(session, "after", is_there=False)
            assert await shown(session, "another nsx's")
            assert await shown(session, "DC0_NSXPG0")


async def test_a_restarted_nsx_finds_its_port_groups_and_vms_again(sim, tmp_path):
    state = tmp_path / "state.json"
    async with clouds(sim) as cloud, opened(sim) as session:
        with tied(sim, state=state) as nsx, Api(nsx) as api:
            api.ask("PATCH", "/infra/segments/seg-3", {"display_name": "kept"})
            for number, name in enumerate(("stays", "goes")):
                request, _ = await planned(cloud, name, "kept", number=30 + number)
                await cloud.create_vm(request)
            await until(lambda: len(api.ask("GET", "/infra/segments/seg-3/ports")["results"]) == 2, "both ports")
            both = api.ask("GET", "/infra/segments/seg-3/ports")["results"]
            (stays,) = (port for port in both if "stays" in port["display_name"])
            api.ask("PATCH", quote(stays["path"]), {"tags": [{"scope": "s", "tag": "t"}]})
        before = (await moids(session, vim.dvs.DistributedVirtualPortgroup))["kept"]
        await cloud.delete_vm("goes")
        with tied(sim, state=state) as nsx, Api(nsx) as api:
            await until(lambda: len(api.ask("GET", "/infra/segments/seg-3/ports")["results"]) == 1, "one port")
            (port,) = api.ask("GET", "/infra/segments/seg-3/ports")["results"]
            assert (port["id"], port["tags"]) == (stays["id"], [{"scope": "s", "tag": "t"}])
            assert (await moids(session, vim.dvs.DistributedVirtualPortgroup))["kept"] == before
            await cloud.delete_vm("stays")
            await until(lambda: not api.ask("GET", "/infra/segments/seg-3/ports")["results"], "no port")
            api.ask("DELETE", "/infra/segments/seg-3")
            await until_shown(session, "kept", is_there=False)


def test_a_wrong_password_is_told_at_the_start(sim, tmp_path):
    log = tmp_path / "log"
    with (
        pytest.raises(AssertionError, match="ended with 1"),
        nsxsim("--vcenter", sim.url, "--vcenter-user", sim.user, "--vcenter-password", "wrong", log=log),
    ):
        pass
    assert "nsxsim: vCenter 127.0.0.1" in log.read_text()
    assert "Login failure" in log.read_text()


async def test_after_the_vcenter_was_away_or_forgot_the_session_all_is_compared_anew(sim):
    with vcproxy(sim) as proxy, tied(proxy) as nsx, Api(nsx) as api:
        async with clouds(sim) as cloud, opened(sim) as session:
            api.ask("PATCH", "/infra/segments/seg-4", {"display_name": "lost"})
            request, _ = await planned(cloud, "web-4", "lost", number=40)
            await cloud.create_vm(request)
            await until(lambda: api.ask("GET", "/infra/segments/seg-4/ports")["results"], "the port")
            proxy.go_away()
            await cloud.delete_vm("web-4")
            api.ask("PATCH", "/infra/segments/seg-5", {"display_name": "found"})
            proxy.come_back()
            await until_shown(session, "found")
            await until(lambda: not api.ask("GET", "/infra/segments/seg-4/ports")["results"], "no port")
            proxy.expire_sessions()
            for segment in ("seg-4", "seg-5"):
                api.ask("DELETE", f"/infra/segments/{segment}")
            await until_shown(session, "lost", is_there=False)
            await until_shown(session, "found", is_there=False)
