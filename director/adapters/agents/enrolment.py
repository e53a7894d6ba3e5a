"""The enrolment service: a token and a key in, a certificate out. Server TLS only, so nothing about a caller is proven.

Every refusal reads the same, so that it tells a stranger nothing about which agents exist.
"""

import asyncio
from typing import Any, Final

import grpc

from agent.wire import agent_pb2 as pb
from agent.wire import agent_pb2_grpc as rpc
from director.adapters.agents.admission import Admission, TooManyFailures
from director.adapters.agents.identity import key_of
from director.model.names import AgentId
from director.ports.failure import Failure

_AT_ONCE_MAX: Final = 64
_DEADLINE_S: Final = 30.0

Context = grpc.aio.ServicerContext[Any, Any]


class EnrolmentService(rpc.EnrolmentServicer):
    """Serves ``Enrol``; at most 64 are looked at side by side, the rest wait their turn."""

    def __init__(self, admission: Admission, ca_pem: bytes) -> None:
        self._admission = admission
        self._ca_pem = ca_pem
        self._turns = asyncio.Semaphore(_AT_ONCE_MAX)

    async def Enrol(self, request: pb.EnrolRequest, context: Context) -> pb.EnrolReply:  # noqa: N802  the wire's name
        try:
            async with asyncio.timeout(_DEADLINE_S), self._turns:
                certificate = await self._enrol(request, host_of(context.peer()))
        except TimeoutError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the director is busy")
        except Failure:
            # What is wrong with the store is not for a stranger's eyes; whoever runs the director sees it there.
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the director cannot enrol agents now")
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unusable certificate request: {error}")
        except TooManyFailures:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many refused enrolments; wait a minute")
        if certificate is None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "this token does not enrol this agent")
        return pb.EnrolReply(certificate_pem=certificate, ca_pem=self._ca_pem)

    async def _enrol(self, request: pb.EnrolRequest, source: str) -> bytes | None:
        key = key_of(request.csr_pem)
        return await self._admission.enrol(AgentId(request.agent_id), request.token, key, source)


def host_of(peer: str) -> str:
    """``ipv4:10.0.0.7:4711`` without the port, which changes with every connection."""
    return peer.rpartition(":")[0] if peer.startswith("ip") else "unix"
