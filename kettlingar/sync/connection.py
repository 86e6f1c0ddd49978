"""One connection of the blocking client: a request out, its reply in, one at a time."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from kettlingar.transport.fdpass import close_all, give, recv_fds, send_fds
from kettlingar.wire.fdtags import FdTag
from kettlingar.wire.rpc import Failure, Item, ReplyReader, Result, StreamEnd

from .lines import Line

Reply = Item | Result | StreamEnd

READ_SIZE = 64 * 1024  # bytes
RESET_WAIT = 50  # milliseconds that a reset may come behind a FIN
NOT_READ = "the service closed the connection before it read the request"


class NotExecutedError(ConnectionError):
    """The connection ended and the request on it has certainly not run: it may be sent again."""


class Connection:
    """A connected socket, and the reply that is being read from it."""

    def __init__(self, line: Line, *, any_way: bool) -> None:
        self.line = line
        self.any_way = any_way  # it was asked for by whoever takes a unix socket too
        self._sock = line.sock
        self.is_unix = line.sock.family == socket.AF_UNIX
        self._usual_timeout = line.sock.gettimeout()
        self._timeout: float | None = None  # seconds
        self._deadline: float | None = None  # monotonic
        self._name = ""
        self._reader = ReplyReader(resolve=self._resolve)
        self._events: deque[Any] = deque()
        self._fds: deque[int] = deque()
        self._sent = False  # the whole request
        self._answered = False  # by a byte at least
        self.reusable = True  # the last reply, if there was one, was read to its end

    def still_there(self) -> bool:
        """Whether an idle connection is as it was left: a word on it is its end, or nonsense."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLRDHUP)
        return not poll.poll(0)

    # --- the request ---

    def send(self, name: str, request: bytes, fds: Sequence[int], timeout: float | None) -> None:
        """Send a request, with copies of `fds` at its first byte; the answer has `timeout` seconds."""
        if fds and not self.is_unix:
            raise ValueError(
                f"cannot call {name} with an open file over TCP; call over the unix socket"
            )
        self._begin(name, timeout)
        view = memoryview(request)
        try:
            while view:
                self._set_timeout()
                sent = send_fds(self._sock, view, fds) if fds else self._sock.send(view)
                view, fds = view[sent:], ()
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
        self._reader = self._reader.for_next()
        self._events.clear()
        self._sent = self._answered = self.reusable = False
        self._timeout = self._usual_timeout if timeout is None else timeout
        self._renew()

    def _renew(self) -> None:
        self._deadline = None if self._timeout is None else time.monotonic() + self._timeout

    def _set_timeout(self) -> None:
        if self._deadline is None:
            if self._sock.gettimeout() is not None:
                self._sock.settimeout(None)
            return
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
        if isinstance(event, Item):
            return event
        self.reusable = event.keep_alive
        if isinstance(event, Failure):
            raise event.exception
        assert isinstance(event, (Result, StreamEnd))
        return event

    def _read(self) -> None:
        try:
            self._set_timeout()
            data = self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        except (BrokenPipeError, ConnectionResetError) as error:
            if not self._answered:
                # A reset says that bytes of the request were left unread.
                raise NotExecutedError(NOT_READ) from error
            raise OSError(f"cannot read the answer to {self._name}: {error.strerror}") from error
        if data:
            self._answered = True
            self._events += self._reader.feed(data)
        elif self._answered or self._was_read():
            self._events += self._reader.eof()
        else:
            raise NotExecutedError(NOT_READ)

    def _receive(self) -> bytes:
        if not self.is_unix:
            return self._sock.recv(READ_SIZE)
        data, fds = recv_fds(self._sock, READ_SIZE)
        self._fds += fds
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
        close_all(self._fds)
        self._fds.clear()

    def close(self) -> None:
        """Close it; it is not reusable after that."""
        self.reusable = False
        self.drop_fds()
        self._sock.close()
