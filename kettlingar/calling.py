"""One connection of an async client: a request out, its reply in, one at a time."""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from kettlingar.transport.fdpass import close_all, give
from kettlingar.transport.stream import SocketStream
from kettlingar.wire.fdtags import FdTag
from kettlingar.wire.rpc import Failure, Item, ReplyReader, Result, StreamEnd

from .endpoints import Link

AHEAD = 256  # items of a stream that are read before their consumer wants them
RESET_WAIT = 0.05  # seconds that a reset may come behind a FIN
NOT_READ = "the service closed the connection before it read the request"


class NotExecutedError(ConnectionError):
    """The connection ended, and the request on it has certainly not run: it may be sent again."""


class CallConnection:
    """A connected socket to a service; `released` is told when it can carry another call."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: Link,
        *,
        released: Callable[[CallConnection], None],
        any_way: bool = True,
    ) -> None:
        self.any_way = any_way  # it was asked for by whoever takes a unix socket too
        self.token = link.token
        self.host = link.host
        self.prefix = link.prefix
        self.is_unix = link.sock.family == socket.AF_UNIX
        self._loop = loop
        self._released = released
        self._fds: deque[int] = deque()
        self._reader = ReplyReader(resolve=self._resolve)
        self._asked = False  # and not answered to the end
        self._answered = False  # by a byte at least
        self._paused = False
        self._events: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._end: Exception | None = None
        self.stream = SocketStream(loop, link.sock, self, takes_fds=self.is_unix)
        self.stream.start()

    @property
    def usable(self) -> bool:
        """Whether it is open, and nothing is known against it."""
        return self._end is None and not self.stream.closing

    # --- out ------------------------------------------------------------------

    def send(self, request: bytes, fds: list[int]) -> None:
        """Send a request, and descriptors that stay the caller's; `event` has its reply."""
        self._reader = self._reader.for_next()
        self._asked = True
        self._answered = False
        self._events.clear()
        if fds:
            self.stream.lend(request, fds)
        else:
            self.stream.write(request)

    def _resolve(self, tag: FdTag) -> object:
        """Turn a placeholder in a reply into the open file or socket that came with it."""
        if not self._fds:
            raise OSError("the reply names a descriptor that did not come")
        return give(tag, self._fds.popleft())

    async def event(self) -> Item | Result | StreamEnd:
        """Return the next part of the reply; raise what the service, or the connection, raised."""
        while not self._events:
            if self._end is not None:
                raise self._end
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                self.close()  # the rest of this reply must not meet the next call
                raise
            finally:
                self._waiter = None
        event: Item | Result | StreamEnd | Failure = self._events.popleft()
        if isinstance(event, Item):
            if self._paused and len(self._events) < AHEAD:
                self._go_on()
            return event
        self._over(event)
        if isinstance(event, Failure):
            raise event.exception
        return event

    async def values(self) -> list[Any]:
        """Return the next items of a stream, of all that have come; none: it has ended."""
        first = await self.event()
        if not isinstance(first, Item):
            return []
        found = [first.value]
        events = self._events
        while events and type(events[0]) is Item:
            found.append(events.popleft().value)
        if self._paused and len(events) < AHEAD:
            self._go_on()
        return found

    def _go_on(self) -> None:
        self._paused = False
        self.stream.resume()

    # --- in (transport.stream.Receiver) ---------------------------------------

    def received(self, data: bytes, fds: list[int]) -> None:
        """Read a part of the reply."""
        if fds:
            self._fds += fds
        if not self._asked:
            self.close()  # nobody asked anything
            return
        self._answered = True
        self._events += self._reader.feed(data)
        if len(self._events) > AHEAD:
            self._paused = True
            self.stream.pause()
        self._wake()

    def _over(self, last: Result | StreamEnd | Failure) -> None:
        """The reply has been read to its end by whoever asked: only now may another call begin."""
        self._asked = False
        if self._fds:
            close_all(self._fds)
            self._fds.clear()
        if last.keep_alive and self.usable:
            if self._paused:
                self._go_on()
            self._released(self)
        else:
            self.close()

    def ended(self, error: OSError | None) -> None:
        """Take the end of the connection, which may be the end of the reply too."""
        if not self._asked:
            self.close()
        elif error is not None or self._answered or self._refused():
            self._ended(error)
        else:
            self._loop.call_later(RESET_WAIT, self._ended, None)

    def _ended(self, error: OSError | None) -> None:
        asked, self._asked = self._asked, False
        if not asked or self._end is not None:
            return
        reset = isinstance(error, (ConnectionResetError, BrokenPipeError))
        if not self._answered and (reset or (error is None and self._refused())):
            # A reset before any byte of an answer says that the request was not read to its end.
            self._end = NotExecutedError(NOT_READ)
        else:
            if error is None:
                self._events += self._reader.eof()
            self._end = OSError(
                "the connection to the service broke before its answer was whole: "
                f"{error or 'closed'}"
            )
        self.close()
        self._wake()

    def _refused(self) -> bool:
        """After an end without an answer: whether the request was certainly not read whole.

        The service may have read it, and died of it. But if it had closed before our
        request came, the request was answered by a reset, behind that end.
        """
        if self.stream.buffered or self.stream.closing:
            return bool(self.stream.buffered)
        poll = select.poll()
        poll.register(self.stream.fileno(), 0)  # errors are always told
        return any(event & select.POLLERR for _, event in poll.poll(0))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """End it."""
        if self._end is None:
            self._end = OSError("the connection is closed")
        close_all(self._fds)
        self._fds.clear()
        self.stream.abort()
