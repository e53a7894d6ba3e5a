"""One token enrols one key, over real TLS on TCP and on a unix socket."""

import asyncio
from dataclasses import replace

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.wire import agent_pb2 as pb
from agent.wire import agent_pb2_grpc as rpc
from director.adapters.agents.authority import Authority
from director.adapters.clock import SystemClock
from director.model.names import AgentId, DeploymentName, InstanceId
from tests.unit.adapters.agents.scripted_agent import OPTIONS, next_of, refusal

DENIED = grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("target", [0, -1], ids=["unix", "tcp"])
async def test_an_agent_enrols_and_connects(site, target):
    agent = await site.connected(target=target)
    assert (await next_of(agent, "welcome")).heartbeat_s == 7
    await site.gateway.await_connected(AgentId("a-1"), 1)
    assert agent.enrolment.enrol_targets[0].startswith("unix:/")
    assert agent.enrolment.enrol_targets[1] == f"127.0.0.1:{site.gateway.enrol_port}"


async def test_the_store_never_has_the_token(site):
    agent = await site.invite()
    record = site.store.records[AgentId("a-1")]
    assert agent.enrolment.token not in repr(record)
    assert agent.enrolment.token not in repr(agent.enrolment)
    assert len(agent.enrolment.token) >= 43


async def test_a_second_key_cannot_use_the_token_of_the_first(site):
    agent = await site.invite()
    await agent.enrol()
    other = ec.generate_private_key(ec.SECP256R1())
    assert await refusal(agent.enrol(key=other)) is DENIED
    await agent.connect()
    assert await refusal(agent.enrol(key=other)) is DENIED
    assert [name for name, _ in site.warnings] == ["a-1", "a-1"]


async def test_of_two_keys_at_once_exactly_one_enrols(site):
    agent = await site.invite()
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(8)]
    ends = await asyncio.gather(*(agent.enrol(key=key) for key in keys), return_exceptions=True)
    assert ends.count(None) == 1


async def test_the_same_key_may_repeat_an_enrolment_whose_reply_was_lost(site):
    agent = await site.invite()
    await agent.enrol()
    await agent.enrol()
    await agent.connect()


async def test_the_first_stream_uses_the_token_up_even_for_its_own_key(site):
    agent = await site.connected()
    assert site.store.records[AgentId("a-1")].token_hash is None
    assert await refusal(agent.enrol()) is DENIED


async def test_a_new_token_makes_the_earlier_one_useless(site):
    first = await site.invite()
    second = await site.invite()
    assert await refusal(first.enrol()) is DENIED
    await second.enrol()


async def test_a_new_token_leaves_an_enrolled_key_valid_until_another_key_enrols(site):
    old = await site.connected()
    new = await site.invite()
    await old.hang_up()
    await old.connect()
    await new.enrol()
    await old.hang_up()
    assert await refusal(old.connect()) is DENIED
    await new.connect()


async def test_a_wrong_token_and_an_unknown_agent_are_refused_alike(site):
    agent = await site.invite()
    with pytest.raises(grpc.aio.AioRpcError) as wrong:
        await agent.enrol(token="wrong")
    agent.enrolment = replace(agent.enrolment, agent=AgentId("stranger"))
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await agent.enrol()
    assert (wrong.value.code(), wrong.value.details()) == (unknown.value.code(), unknown.value.details())
    assert "stranger" not in site.store.records


async def test_a_caller_that_keeps_failing_is_not_looked_at_any_more(site):
    agent = await site.invite()
    codes = [await refusal(agent.enrol(token="wrong")) for _ in range(12)]
    assert codes == [DENIED] * 10 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
    other = await site.invite("a-2")
    await other.enrol()


async def test_a_key_that_is_no_p256_key_is_refused_with_the_reason(site):
    agent = await site.invite()
    with pytest.raises(grpc.aio.AioRpcError, match="P-256"):
        await agent.enrol(key=ec.generate_private_key(ec.SECP384R1()))


async def test_a_revoked_agent_neither_connects_nor_enrols_until_invited_again(site):
    agent = await site.connected()
    unused = await site.invite()
    await site.gateway.revoke(AgentId("a-1"))
    assert await refusal(unused.enrol()) is DENIED
    await agent.hang_up()
    assert await refusal(agent.connect()) is DENIED
    again = await site.connected()
    assert again.certificate
    await agent.hang_up()
    assert await refusal(agent.connect()) is DENIED


async def test_revoking_an_agent_nobody_knows_does_nothing(site):
    await site.gateway.revoke(AgentId("nobody"))
    assert site.store.records == {}


async def test_the_gateway_refuses_a_caller_without_a_certificate(site):
    agent = await site.invite()
    credentials = grpc.ssl_channel_credentials(site.authority.certificate_pem)
    async with grpc.aio.secure_channel(agent.enrolment.agent_targets[1], credentials, options=OPTIONS) as channel:
        call = rpc.GatewayStub(channel).Fetch(pb.FetchRequest(blob="b"), timeout=5)
        assert await refusal(call.read()) is grpc.StatusCode.UNAVAILABLE


async def test_the_server_is_not_believed_without_the_directors_root(site, tmp_path):
    agent = await site.invite()
    stranger = Authority(tmp_path / "other", SystemClock())
    agent.enrolment = replace(agent.enrolment, ca_certificate=stranger.certificate_pem.decode())
    assert await refusal(agent.enrol()) is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_of_another_root_does_not_open_the_gateway(site, tmp_path):
    agent = await site.invite()
    await agent.enrol()
    stranger = Authority(tmp_path / "other", SystemClock())
    agent.certificate = stranger.issue(AgentId("a-1"), agent.key.public_key())
    stub = await agent.open()
    assert await refusal(stub.Fetch(pb.FetchRequest(blob="b"), timeout=5).read()) is grpc.StatusCode.UNAVAILABLE


async def test_a_good_certificate_for_a_key_the_record_does_not_have_is_refused(site):
    agent = await site.invite()
    await agent.enrol()
    other = ec.generate_private_key(ec.SECP256R1())
    agent.key, agent.certificate = other, site.authority.issue(AgentId("a-1"), other.public_key())
    assert await refusal(agent.connect()) is DENIED


async def test_the_directors_own_certificate_speaks_for_no_agent(site):
    agent = await site.invite()
    certificate, key = site.authority.server_certificate()
    credentials = grpc.ssl_channel_credentials(site.authority.certificate_pem, key, certificate)
    async with grpc.aio.secure_channel(agent.enrolment.agent_targets[1], credentials, options=OPTIONS) as channel:
        code = await refusal(rpc.GatewayStub(channel).Fetch(pb.FetchRequest(blob="b"), timeout=5).read())
    assert code in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE}


async def test_the_record_tells_whose_agent_it_is(site):
    await site.gateway.enrolment_for(AgentId("a-9"), InstanceId("i-9"), DeploymentName("blog"), 4)
    record = site.store.records[AgentId("a-9")]
    assert (record.instance, record.deployment, record.generation, record.key_hash) == ("i-9", "blog", 4, None)
