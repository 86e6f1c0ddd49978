"""What the server needs to know: of a connection, of a kitten, of its settings and hooks."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from kettlingar.api.access import Caller
from kettlingar.api.methods import Method, MethodTable
from kettlingar.request import HttpResult, RequestInfo
from kettlingar.transport.connection import Connection
from kettlingar.transport.duplex import StreamFactory
from kettlingar.transport.stream import SocketStream
from kettlingar.transport.timers import Timeouts
from kettlingar.wire.content import Kind
from kettlingar.wire.http11 import Limits

from .translating import Decoders, Encoders


class Origin(Struct, frozen=True):
    """How a connection came here, and what is known of its other end from the start."""

    trusted: bool = False  # its other end was given an authorised connection
    caller: Caller | None = None
    tcp: bool = True
    number: int = 0  # the supervisor's, where it handed the connection over
    routed: str = ""  # the listener whose next request may be another service's
    introduced: bool = False  # by a proxy's header, which nobody else could read again
    peer: tuple[str, int] | None = None  # who calls, by that proxy's word


class Service(Protocol):
    """What the server needs to know of a kitten."""

    methods: MethodTable
    own_decoders: Decoders
    encoders: Encoders

    def guarantee_type(self, rule: Any, value: Any) -> Any:
        """Convert an argument."""


ErrorPage = Callable[[RequestInfo, Exception, str], Awaitable[HttpResult | None]]
RequestDone = Callable[[RequestInfo, str, int, float], None]


class Hooks(Struct):
    """What an author has overridden; None costs nothing."""

    validate_request_header: Callable[[str, dict[str, str]], Awaitable[Any]] | None = None
    get_method_name: Callable[[RequestInfo], str | None] | None = None
    get_api_methods: Callable[[RequestInfo], Sequence[Any] | None] | None = None
    get_default_methods: Callable[[RequestInfo], Sequence[Any] | None] | None = None
    web_find_page: Callable[[RequestInfo], Method | None] | None = None
    web_error_page: ErrorPage | None = None
    request_done: list[RequestDone] = field(default_factory=list)
    tcp_stream: StreamFactory = SocketStream  # how the bytes of a TCP connection travel


class Settings(Struct, frozen=True):
    """A server's numbers and its secret."""

    secret: str
    prefix: str = ""
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_depth: int = 64
    max_connections: int = 10_000
    ws_ping: float = 20.0  # seconds of silence after which a WebSocket is asked whether it lives
    msgpack: bool = True  # whether answers may be in msgpack
    allowed_hosts: tuple[str, ...] = ()
    public_over_tcp: frozenset[str] | None = None  # None = all public methods


class Home(Struct, frozen=True):
    """The service that this process is, as its own methods see it."""

    settings: Settings
    address: Any = None  # (host, port), or a path; None where connections come by descriptor

    @property
    def url(self) -> str | None:
        """Where it answers over TCP, without its secret."""
        if not isinstance(self.address, tuple):
            return None
        host, port = self.address
        return url_of(host, port, self.settings.prefix)


def url_of(host: str, port: int, prefix: str) -> str:
    """Return where a service answers; `prefix` begins with a slash, if there is one."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}{prefix}"


def home_of(servers: Sequence[Any], settings: Settings) -> Home:
    """Return it, of one that listens on these sockets (an author may have added other things)."""
    sockets = [thing for thing in servers if isinstance(thing, socket.socket)]
    for sock in sorted(sockets, key=lambda sock: sock.family == socket.AF_UNIX):
        name = sock.getsockname()
        return Home(settings, name[:2] if isinstance(name, tuple) else name)
    return Home(settings)


class Session(Struct, frozen=True):
    """What a protocol that takes a connection over is given."""

    request: RequestInfo
    connection: Connection
    settings: Settings
    encode: Callable[[Kind, object], bytes]


def origin_of(connection: Connection) -> Origin:
    """Return how a connection came here."""
    origin: Origin = connection.context
    return origin
