"""What a method is given, and what it may give back beside plain values."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from kettlingar.wire.content import Kind, to_json, to_msgpack

if TYPE_CHECKING:
    from kettlingar.api.access import Caller, Identity
    from kettlingar.api.routing import Route
    from kettlingar.transport.duplex import Stream
    from kettlingar.transport.relay import Relay
    from kettlingar.wire.http11 import RequestHead


ANSWER, CHUNKS = "answer", "chunks"  # what another service is asked to write


class HttpResult:
    """An answer with a MIME type, and perhaps a status, of the author's choice.

    `mimetype` None leaves the encoding to what the caller asked for. `data` may
    be text, bytes, or with None any plain value. `redirect_to` sets `Location`
    (and 302, unless `http_code` says otherwise).
    """

    __slots__ = ("data", "headers", "http_code", "mimetype", "redirect_to")

    def __init__(
        self,
        mimetype: str | None,
        data: object = b"",
        http_code: int | None = None,
        redirect_to: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.mimetype = mimetype
        self.data = data
        self.http_code = http_code or (302 if redirect_to else 200)
        self.redirect_to = redirect_to
        self.headers = headers or {}

    def __repr__(self) -> str:
        return f"HttpResult({self.mimetype!r}, {self.data!r}, http_code={self.http_code})"


class FdsResult:
    """An answer that carries open files or sockets; they are closed here once sent."""

    __slots__ = ("files",)

    def __init__(self, files: Sequence[object]) -> None:
        self.files = list(files)


def no_descriptors(value: object) -> NoReturn:
    """Refuse an open file as a plain value: what the encoders of answers ask about others."""
    raise TypeError(
        f"cannot send a {type(value).__name__}: it has no form in JSON or msgpack; "
        "open files and sockets go by self.fds_result(...)"
    )


class Way(Protocol):
    """What a request came by, or its answer goes: a connection."""

    @property
    def stream(self) -> Stream:
        """The bytes both ways."""

    @property
    def introduced(self) -> tuple[str, int] | None:
        """Who calls, where a proxy has said so."""

    def send(self, data: bytes) -> None:
        """Write them."""

    async def drained(self) -> None:
        """Wait until the reader keeps up."""


class Writer(Protocol):
    """What writes a streamed answer."""

    begun: bool

    def flush(self) -> None:
        """Hand over what waits."""


class Headers(dict[str, str]):
    """Request headers by name, in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the header's value, or `default`."""
        return super().get(name.lower(), default)


class RequestInfo:
    """One request, as a method sees it in its first argument.

    `caller` says who calls (uid, pid, service) where that is known, from the
    kernel or the supervisor, never from a header. `authed` is true when the
    request came with credentials. `encoder` turns a value into the bytes that
    this caller asked for; `mimetype` names them.
    """

    code: int  # set by MetricsKitten, once the request is answered: the status,
    handler: str  # and the method's name in the class

    # Most requests need none of these, and none pays for them.
    route: Route | None = None  # where the path led: method name, rest of the path
    writer: Writer | None = None  # once it streams
    given_away = False  # another service writes the answer, or the rest of it
    relay: Relay | None = None  # by which it does, where the connection is encrypted
    respond: Callable[[bytes], None] | None = None
    _headers: Headers | None = None
    _fds: list[Any] | None = None

    def __init__(
        self,
        head: RequestHead,
        body: bytes,
        identity: Identity,
        kind: Kind,
        connection: Way | None = None,
    ) -> None:
        self.head = head
        self.body = body
        self.identity = identity
        self.kind = kind
        self.connection = connection

    @property
    def method(self) -> str:
        """The HTTP method, `GET` or `POST` for instance."""
        return self.head.method

    @property
    def path(self) -> str:
        """The path as it was sent, without the query string."""
        return self.head.path

    @property
    def query(self) -> str:
        """The query string as it was sent, without the question mark."""
        return self.head.query

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        if self._headers is None:
            self._headers = Headers(self.head.headers)
        return self._headers

    @property
    def authed(self) -> bool:
        """Whether the request came with credentials."""
        return self.identity.authorised

    @property
    def caller(self) -> Caller | None:
        """Who calls, where the kernel or the supervisor has said so."""
        return self.identity.caller

    @property
    def encoder(self) -> Callable[[object], bytes]:
        """What turns a plain value into bytes of the type that this caller asked for."""
        return to_msgpack if self.kind is Kind.MSGPACK else to_json

    @property
    def mimetype(self) -> str:
        """The MIME type in which this caller wants plain values."""
        return self.kind.mimetype

    @property
    def fds(self) -> list[Any]:
        """The open files and sockets that came with the request."""
        if self._fds is None:
            self._fds = []
        return self._fds

    @property
    def peer(self) -> Any:
        """The client's address; empty for a unix socket, None without a connection."""
        if self.connection is None:
            return None
        return self.connection.introduced or self.connection.stream.peername

    def fileno(self) -> int:
        """Return the descriptor of the client's connection."""
        if self.connection is None:
            raise OSError("cannot give a descriptor: this request has no connection of its own")
        return self.connection.stream.fileno()

    @property
    def socket(self) -> socket.socket:
        """A copy of the client's connection, to be closed by whoever takes it."""
        return socket.fromfd(self.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)

    def write(self, data: bytes | str) -> None:
        """Write to the connection as it is: for `raw_` methods, who make the whole answer."""
        if self.respond is None:
            raise OSError("cannot write: only a raw_ method may, while it runs")
        self.respond(data.encode() if isinstance(data, str) else data)

    async def give_away(self) -> tuple[int, str]:
        """Let another service answer: return a copy of the descriptor, and what it should write.

        What was written before is on its way when this returns (`ANSWER`: nothing was).
        """
        connection = self.connection
        if connection is None:
            raise OSError("cannot give the answer away: this request has no connection of its own")
        what = ANSWER
        if self.writer is not None and self.writer.begun:
            what = CHUNKS
            self.writer.flush()
        connection.stream.high_water = 0
        await connection.drained()
        fd = self._lend(connection)
        self.given_away = True
        return fd, what

    def _lend(self, connection: Way) -> int:
        """Return a descriptor by which another process can write to the connection."""
        try:
            fd = self.fileno()
        except OSError:  # encrypted: what is written there comes by here
            from kettlingar.transport.relay import Relay

            self.relay = Relay(connection)
            return self.relay.theirs
        return os.dup(fd)
