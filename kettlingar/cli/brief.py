"""Calls as `ctl` makes them: a question, a plain answer, and the end of the program.

What a command imports is what it costs, so this client has a bare socket, and reads no HTTP: it
recognises, byte for byte, the one head that our server writes above a plain value in JSON. All
other answers (errors, streams, text, open files, other versions' words) go as they have come to
the client that parses them (kettlingar.sync), and it goes on with the connection.
"""

from __future__ import annotations

import os
import sys
import time
from _socket import (
    AF_UNIX,
    CMSG_SPACE,
    MSG_CMSG_CLOEXEC,
    SCM_RIGHTS,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)

from .plain_json import read, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from kettlingar.sync import BlockingClient, BlockingStream

READ_SIZE = 64 * 1024  # bytes
FDS_SPACE = CMSG_SPACE(253 * 4)  # as many as the kernel sends at once
MAX_SUN_PATH = 107  # bytes
BEGINNING = b"HTTP/1.1 200 OK\r\nDate: "
DATE = 29  # bytes
GOES_ON = b"\r\nContent-Type: application/json\r\n"
WITH_FD = b"Kettlingar-Fds: 1\r\n"
LENGTH = b"Content-Length: "
SOCKET = b'[{"__fd__":{"index":0,"kind":"socket",'


def connect(path: str, timeout: float | None) -> socket:
    """Connect to a unix socket; the timeout stays its own. OSError if nobody answers there."""
    if len(os.fsencode(path)) > MAX_SUN_PATH or path.startswith("@"):
        from kettlingar.transport.unixpath import connect_unix

        sock = socket(fileno=connect_unix(path).detach())
        sock.settimeout(timeout)
        return sock
    sock = socket(AF_UNIX, SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


class Brief:
    """A client of one service. `sock` is connected to it, `again()` connects anew."""

    def __init__(self, sock: socket, again: Callable[[], socket]) -> None:
        self._sock: socket | None = sock
        self._again = again
        self._client: BlockingClient | None = None  # for all that is not plain

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self, name: str, /, *args: Any, call_timeout: float | None = None, **kwargs: Any
    ) -> Any:
        """As BlockingClient.call."""
        asked = self._ask(name, args, kwargs, call_timeout)
        if asked is None:
            return self._full().call(name, *args, call_timeout=call_timeout, **kwargs)
        start = asked.usual()
        if start and not asked.fds:
            try:
                value = read(asked.data[start:])
            except ValueError:
                pass  # for the other one to say what it is
            else:
                self._sock = asked.sock
                return value
        return self._read_on(asked, args, kwargs, call_timeout)

    def connected(self, name: str, /, *args: Any, call_timeout: float | None = None) -> Any:
        """Call a method whose result is a list of one socket, and return that."""
        asked = self._ask(name, args, {}, call_timeout)
        if asked is not None:
            start = asked.usual()
            if start and len(asked.fds) == 1 and asked.data.startswith(SOCKET, start):
                self._sock = asked.sock
                return _opened(asked.fds[0])
            found = self._read_on(asked, args, {}, call_timeout)
        else:
            found = self._full().call(name, *args, call_timeout=call_timeout)
        one = found[0] if isinstance(found, list) else found
        return _opened(one.detach()) if isinstance(one, socket) else None

    def stream(self, name: str, /, *args: Any, **kwargs: Any) -> BlockingStream:
        """As BlockingClient.stream."""
        return self._full().stream(name, *args, **kwargs)

    def check(self) -> None:
        """See whether anybody is there. Raises what `again` does if nobody is."""
        self._again().close()

    def close(self) -> None:
        """Close its connections."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        if self._client is not None:
            self._client.close()

    # --- the short way ---

    def _ask(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None
    ) -> _Asked | None:
        """Ask on our own connection; None if that cannot be."""
        request = None if self._client is not None else _request(name, args, kwargs)
        if request is None:
            return None
        sock, self._sock = self._sock or self._again(), None
        asked = _Asked(name, sock, sock.gettimeout() if timeout is None else timeout)
        try:
            asked.ask(request)
        except BaseException:
            sock.close()
            raise
        return asked

    # --- the long way ---

    def _full(self) -> BlockingClient:
        if self._client is None:
            from kettlingar.sync import BlockingClient

            self._client = BlockingClient(self._opened)
        return self._client

    def _opened(self) -> Any:
        sock, self._sock = self._sock or self._again(), None
        return _whole(sock)

    def _read_on(
        self, asked: _Asked, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None
    ) -> Any:
        from kettlingar.sync import NotExecutedError, read_on

        sock = _whole(asked.sock)
        try:
            return read_on(sock, asked.name, asked.data, asked.fds, asked.timeout, sent=asked.sent)
        except NotExecutedError:
            return self._full().call(asked.name, *args, call_timeout=timeout, **kwargs)


def _whole(sock: socket) -> Any:
    """The same connection as a socket of the standard library."""
    from socket import socket as whole_socket

    timeout = sock.gettimeout()
    whole = whole_socket(fileno=sock.detach())
    whole.settimeout(timeout)
    return whole


def _opened(fd: int) -> socket:
    sock = socket(fileno=fd)
    sock.settimeout(None)
    return sock


def _request(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
    """The call, if JSON has words for it."""
    if not (name.isascii() and name.isidentifier()) or "_args" in kwargs:
        return None
    try:
        body = written({"_args": args, **kwargs} if args else kwargs).encode()
    except (TypeError, ValueError):
        return None
    return (
        b"POST /%b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (name.encode(), len(body), body)
    )


class _Asked:
    """A question, and what has come of its answer."""

    def __init__(self, name: str, sock: socket, timeout: float | None) -> None:
        self.name = name
        self.sock = sock
        self.timeout = timeout
        self.data = b""
        self.fds: list[int] = []
        self.sent = False
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._usual = (0, 0)  # where the value begins, and where it ends

    def ask(self, request: bytes) -> None:
        """Send it; read to the end of a usual answer, or the beginning of another one."""
        try:
            self._set_timeout()
            self.sock.sendall(request)
            self.sent = True
            while self._reads():
                pass
        except TimeoutError:
            raise TimeoutError(
                f"cannot call {self.name}: no answer within {self.timeout:g} s"
            ) from None
        except (BrokenPipeError, ConnectionResetError):
            pass  # the other client says what that means

    def _reads(self) -> bool:
        """Whether more of a usual answer is to come."""
        self._set_timeout()
        data, ancillary, _, _ = self.sock.recvmsg(READ_SIZE, FDS_SPACE, MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                parts = (content[at : at + 4] for at in range(0, len(content) - 3, 4))
                self.fds += [int.from_bytes(part, sys.byteorder) for part in parts]
        if not self.data:
            self._usual = _usual(data)
        self.data += data
        return bool(data) and len(self.data) < self._usual[1]

    def _set_timeout(self) -> None:
        if self._deadline is None:
            self.sock.settimeout(None)
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)

    def usual(self) -> int:
        """Where the value begins, if all of it is there, and nothing else; else 0."""
        start, end = self._usual
        return start if len(self.data) == end else 0


def _usual(data: bytes) -> tuple[int, int]:
    """Where the value begins and ends if this is the usual head; else zeros."""
    end, dated = data.find(b"\r\n\r\n"), len(BEGINNING) + DATE
    date = data[len(BEGINNING) : dated]
    if not data.startswith(BEGINNING) or b"\r" in date or b"\n" in date:
        return 0, 0
    rest = data[dated : max(end, 0)]
    for known in (GOES_ON + LENGTH, GOES_ON + WITH_FD + LENGTH):
        length = rest.removeprefix(known)
        if rest.startswith(known) and length.isdigit() and len(length) < 10:
            return end + 4, end + 4 + int(length)
    return 0, 0
