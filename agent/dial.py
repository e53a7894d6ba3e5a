"""Channels to the director, one per address it may be reached at. Waits and retries are the caller's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import grpc

from agent.identity import SERVER_NAME, Identity
from agent.wire.agent_pb2_grpc import GatewayStub

if TYPE_CHECKING:
    from agent.wire.agent_pb2_grpc import GatewayAsyncStub

_MESSAGE_MAX = 64 * 1024 * 1024
"""All rendered files of an instance come in one message."""
OPTIONS: Final[Sequence[tuple[str, str | int]]] = (
    ("grpc.ssl_target_name_override", SERVER_NAME),
    # A director whose machine died says nothing: 30 s without an answer to a ping ends the stream.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # The session waits with jitter by itself; the channel should then try at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", _MESSAGE_MAX),
    ("grpc.max_send_message_length", _MESSAGE_MAX),
    # Blobs stream through small windows: a large one would stay in the agent's memory.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 65_536),
    ("grpc.experimental.tcp_max_read_chunk_size", 65_536),
    # One agent has one director; a shared pool of subchannels only costs memory.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


class Dial:
    def __init__(self, identity: Identity) -> None:
        self._targets = identity.targets
        self._at = 0
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._credentials = grpc.ssl_channel_credentials(identity.ca_pem, identity.key_pem, identity.certificate_pem)

    @property
    def target(self) -> str:
        return self._targets[self._at]

    def gateway(self) -> "GatewayAsyncStub":
        """The director at the address that is in use."""
        if self.target not in self._channels:
            self._channels[self.target] = grpc.aio.secure_channel(self.target, self._credentials, OPTIONS)
        return GatewayStub(self._channels[self.target])

    def turn(self) -> bool:
        """On to the next address. True when all have been tried and it is time to wait."""
        self._at = (self._at + 1) % len(self._targets)
        return self._at == 0

    def reset(self) -> None:
        """Back to the best address."""
        self._at = 0

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
