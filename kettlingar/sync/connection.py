"""One connection of the blocking client: a request out, its reply in, one at a time."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from kettlingar.transport.fdpass import (
    FDS_SPACE,
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    close_all,
    give,
    received_fds,
    send_fds,
    tagging,
)
from kettlingar.wire.fdtags import FdTag
from kettlingar.wire.rpc import (
    CallWriter,
    Failure,
    Items,
    ReplyReader,
    Result,
    StreamEnd,
    reply_elsewhere,
)

from .lines import Line

Reply = Items | Result | StreamEnd

READ_SIZE = 64 * 1024  # bytes
RESET_WAIT = 50  # milliseconds that a reset may come behind a FIN
NOT_READ = "the service closed the connection before it read the request"


class NotExecutedError(ConnectionError):
    """The connection ended and the request on it has certainly not run: it may be sent again."""


class Connection:
    """A connected socket, and the reply that is being read from it."""

    def __init__(self, line: Line, *, any_way: bool = True) -> None:
        self.any_way = any_way  # it was asked for by whoever takes a unix socket too
        self._sock = line.sock
        self.is_unix = line.sock.family == socket.AF_UNIX
        self._writer = CallWriter(line.host, line.prefix, line.token, tagging)
        self._usual_timeout = line.sock.gettimeout()
        self._timed = self._usual_timeout is not None  # whether the socket has a timeout
        self._timeout: float | None = None  # seconds
        self._deadline = 0.0  # monotonic, where it is timed
        self._name = ""
        self._reader = ReplyReader(resolve=self._resolve)
        self._events: deque[Any] = deque()
        self._fds: deque[int] = deque()
        self._sent = False  # the whole request
        self._answered = False  # by a byte at least
        self.reusable = True  # the last reply, if there was one, was read to its end
        self._news = select.poll()
        self._news.register(self._sock, select.POLLIN | select.POLLRDHUP)

    def still_there(self) -> bool:
        """Whether an idle connection is as it was left: a word on it is its end, or nonsense."""
        return not self._news.poll(0)

    # --- the request ---

    def ask(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        timeout: float | None,
        use_json: bool,
        reply_to: Any,
    ) -> Reply:
        """Send a call; return the first part of its reply, or raise what that says.

        `reply_to`, an open file or socket, goes before all other descriptors.
        """
        writer, extra = self._writer, b""
        fds = writer.fds
        try:
            if reply_to is not None:
                fds.append(reply_to.fileno())
                extra = reply_elsewhere()
            request = writer.write(name, args, kwargs, use_json=use_json, extra=extra)
            if fds and not self.is_unix:
                raise ValueError(
                    f"cannot call {name} with an open file over TCP; call over the unix socket"
                )
            self._begin(name, timeout)
            self._send(request, fds)
        finally:
            fds.clear()
        return self.reply()

    def _send(self, request: bytes, fds: Sequence[int]) -> None:
        try:
            if self._timed:
                self._set_timeout()
            sent = send_fds(self._sock, request, fds) if fds else self._sock.send(request)
            while sent < len(request):
                if self._timed:
                    self._set_timeout()
                sent += self._sock.send(memoryview(request)[sent:])
        except TimeoutError:
            raise self._too_slow() from None
        except (BrokenPipeError, ConnectionResetError):
            return  # it may have answered before it closed: a body too large
        self._sent = True

    def read_on(
        self, name: str, data: bytes, fds: Sequence[int], timeout: float | None, *, sent: bool
    ) -> None:
        """Somebody else has sent a request here, or part of it, and so much of the answer came."""
        self._begin(name, timeout)
        self._sent = sent
        self._fds += fds
        if data:
            self._answered = True
            self._events += self._reader.feed(data)

    def _begin(self, name: str, timeout: float | None) -> None:
        self._name = name
        self._sent = self._answered = self.reusable = False
        self._timeout = self._usual_timeout if timeout is None else timeout
        if self._timeout is not None or self._timed:
            self._renew()

    def _renew(self) -> None:
        """The whole timeout begins now."""
        if self._timeout is not None:
            self._timed = True
            self._deadline = time.monotonic() + self._timeout
        elif self._timed:
            self._timed = False
            self._sock.settimeout(None)

    def _set_timeout(self) -> None:
        """What is left of it holds for the next step."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def _too_slow(self) -> TimeoutError:
        return TimeoutError(f"cannot call {self._name}: no answer within {self._timeout:g} s")

    # --- the reply ---

    def reply(self, *, renew: bool = False) -> Reply:
        """Return the next part of the reply; raise what the service, or the connection, raised.

        `renew`: this part has the whole timeout for itself.
        """
        if renew:
            self._renew()
        while not self._events:
            self._read()
        event = self._events.popleft()
        if isinstance(event, Items):
            return event
        if not self._reader.untouched:
            self._reader = ReplyReader(resolve=self._resolve)
        self.reusable = event.keep_alive
        if isinstance(event, Failure):
            raise event.exception
        assert isinstance(event, (Result, StreamEnd))
        return event

    def _read(self) -> None:
        try:
            data = self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        except (BrokenPipeError, ConnectionResetError) as error:
            if not self._answered:
                # A reset says that bytes of the request were left unread.
                raise NotExecutedError(NOT_READ) from error
            raise OSError(f"cannot read the answer to {self._name}: {error.strerror}") from error
        if data:
            whole = None
            if not self._answered:
                whole = self._reader.whole(data, resolve=self._resolve if self._fds else None)
            self._answered = True
            if whole is not None:  # as nearly all are
                self._events.append(whole)
            else:
                self._events += self._reader.feed(data)
        elif self._answered or self._was_read():
            self._events += self._reader.eof()
        else:
            raise NotExecutedError(NOT_READ)

    def _receive(self) -> bytes:
        if self._timed:
            self._set_timeout()
        if not self.is_unix:
            return self._sock.recv(READ_SIZE)
        data, beside, flags, _ = self._sock.recvmsg(READ_SIZE, FDS_SPACE, MSG_CMSG_CLOEXEC)
        if beside or flags & MSG_CTRUNC:
            self._fds += received_fds(beside, flags)
        return data

    def _was_read(self) -> bool:
        """After an end without an answer: whether the service may have read the request.

        It may have, and died of it. But if it had closed the connection before
        our request came, the request was answered by a reset, behind that end.
        """
        if not self._sent:
            return False
        poll = select.poll()
        poll.register(self._sock, 0)  # errors are always told
        return not any(event & select.POLLERR for _, event in poll.poll(RESET_WAIT))

    def _resolve(self, tag: FdTag) -> object:
        if not self._fds:
            raise OSError(f"the answer to {self._name} names a descriptor that did not come")
        return give(tag, self._fds.popleft())

    # --- the end ---

    def drop_fds(self) -> None:
        """Close the descriptors that no part of the reply spoke of."""
        if self._fds:
            close_all(self._fds)
            self._fds.clear()

    def close(self) -> None:
        """Close it; it is not reusable after that."""
        self.reusable = False
        self.drop_fds()
        self._sock.close()
