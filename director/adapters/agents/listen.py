"""Where the gateway listens: TCP ports and unix sockets, both with TLS. Knows no service and no agent."""

import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from director.ports.failure import Failure

_SEND_BYTES_MAX: Final = 64 * 1024 * 1024  # an instance's whole rendered content
_SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path, its ending zero apart
_OPTIONS: Final = (
    ("grpc.max_send_message_length", _SEND_BYTES_MAX),
    # The defaults turn a third of a reconnect storm away (performance-reliability.md 0.4).
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    ("grpc.max_concurrent_streams", 64),  # per connection: one stream and its transfers
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.server_handshake_timeout_ms", 20_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # without it a stopped agent counts as connected for 80 s
    ("grpc.keepalive_permit_without_calls", 1),
    # Agents ping too; without this, pings closer than five minutes count as abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # With it a second director would share the port, and each would get half of the agents.
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Port 0 is chosen by the system. ``socket`` is an absolute path short enough for a unix socket."""

    host: str = "127.0.0.1"
    port: int = 0
    socket: Path | None = None


def make_server(*, receive_bytes_max: int) -> grpc.aio.Server:
    return grpc.aio.server(options=(*_OPTIONS, ("grpc.max_receive_message_length", receive_bytes_max)))


def listen(server: grpc.aio.Server, where: Listen, credentials: grpc.ServerCredentials) -> int:
    """Binds; returns the TCP port. Raises Failure when an address is taken or unusable. Blocks on files, briefly."""
    if where.socket is not None:
        _make_room(where.socket)
        _bind(server, f"unix:{where.socket}", credentials)
    return _bind(server, target(where.host, where.port), credentials)


def target(host: str, port: int) -> str:
    """A gRPC target; a numeric IPv6 host gets its brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials) -> int:
    try:
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise Failure(f"The agents' gateway cannot listen on {address}: is it in use? ({error})") from error


def _make_room(path: Path) -> None:
    """Makes the socket's directory, for us alone, and removes what a killed director left there."""
    if len(str(path).encode()) > _SOCKET_PATH_BYTES_MAX:
        raise Failure(f"{path} is too long for a unix socket: set a shorter run directory (DIRECTOR_RUN_DIR).")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_ISSOCK(path.stat().st_mode):
            _check_unused(path)
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Failure(f"The agents' gateway cannot make {path}: {error.strerror}.") from error


def _check_unused(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
    raise Failure(f"Another director listens on {path}.")
