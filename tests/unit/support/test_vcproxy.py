"""The proxy breaks exactly the calls it was told to, and tells what it saw."""

import http.client
import ssl
import threading
import time

import pytest
from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from tests.support.vcproxy import vcproxy
from tests.support.vcsim_fixtures import shared_sim

__all__ = ["shared_sim"]
pytestmark = pytest.mark.go
BROKEN = (OSError, http.client.HTTPException)


@pytest.fixture
def proxy(shared_sim):
    with vcproxy(shared_sim) as running:
        yield running


@pytest.fixture
def connect(proxy):
    made = []

    def one_more(**how):
        how = how or {"disableSslCertValidation": True}
        made.append(SmartConnect(host=proxy.host, port=proxy.port, user=proxy.user, pwd=proxy.password, **how))
        return made[-1]

    yield one_more
    for instance in made:
        instance._stub.DropConnections()


def folder_names(instance):
    return {child.name for child in instance.content.rootFolder.childEntity[0].vmFolder.childEntity}


def test_what_is_not_broken_passes_and_is_counted(proxy, connect):
    instance = connect()
    assert instance.CurrentTime() is not None
    assert proxy.counts["Login"] == 1
    assert proxy.counts["CurrentTime"] == 1
    assert proxy.connections.at_once_max == 1


def test_a_lost_reply_is_carried_out(proxy, connect):
    folder = connect().content.rootFolder.childEntity[0].vmFolder
    proxy.lose_reply("CreateFolder")
    with pytest.raises(BROKEN):
        folder.CreateFolder("lost")
    assert "lost" in folder_names(connect())


def test_a_dropped_call_is_not_carried_out(proxy, connect):
    folder = connect().content.rootFolder.childEntity[0].vmFolder
    proxy.drop("Create*", skip=1)
    folder.CreateFolder("passed")
    with pytest.raises(BROKEN):
        folder.CreateFolder("dropped")
    assert "dropped" not in folder_names(connect())


def test_a_call_can_be_answered_with_any_fault(proxy, connect):
    instance = connect()
    proxy.fault("CurrentTime", "NoPermission", "Permission to perform this operation was denied.")
    with pytest.raises(vim.fault.NoPermission, match="was denied"):
        instance.CurrentTime()
    assert instance.CurrentTime() is not None


def test_a_delayed_call_comes_late(proxy, connect):
    instance = connect()
    proxy.delay("CurrentTime", 0.15)
    began = time.monotonic()
    instance.CurrentTime()
    assert time.monotonic() - began >= 0.15


def test_an_expired_session_gets_nothing_until_it_logs_in_again(proxy, connect):
    instance = connect()
    manager = instance.content.sessionManager
    proxy.expire_sessions()
    with pytest.raises(vim.fault.NotAuthenticated):
        instance.CurrentTime()
    manager.Login(proxy.user, proxy.password)
    assert instance.CurrentTime() is not None


def test_a_wait_in_flight_ends_with_its_session(proxy, connect):
    content = connect().content
    collector = content.propertyCollector.CreatePropertyCollector()
    wanted = vmodl.query.PropertyCollector.PropertySpec(type=vim.TaskManager, pathSet=["recentTask"])
    where = vmodl.query.PropertyCollector.ObjectSpec(obj=content.taskManager)
    spec = vmodl.query.PropertyCollector.FilterSpec(propSet=[wanted], objectSet=[where])
    collector.CreateFilter(spec, False)
    raised = []

    def wait():
        try:
            first = collector.WaitForUpdatesEx("", None)
            collector.WaitForUpdatesEx(first.version, None)
        except vmodl.MethodFault as fault:
            raised.append(fault)

    waiting = threading.Thread(target=wait)
    waiting.start()
    deadline = time.monotonic() + 5
    while proxy.counts.get("WaitForUpdatesEx", 0) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    while waiting.is_alive() and time.monotonic() < deadline:
        proxy.expire_sessions()
        waiting.join(0.05)
    assert [type(fault) for fault in raised] == [vim.fault.NotAuthenticated]


def test_a_vcenter_that_is_away_breaks_every_connection_until_it_is_back(proxy, connect):
    instance = connect()
    proxy.go_away()
    with pytest.raises(BROKEN):
        instance.CurrentTime()
    proxy.come_back()
    assert instance.CurrentTime() is not None
    assert proxy.connections.ever >= 2


def test_its_certificate_can_be_verified(proxy, connect):
    context = ssl.create_default_context(cafile=str(proxy.ca))
    instance = connect(sslContext=context)
    assert instance.CurrentTime() is not None
