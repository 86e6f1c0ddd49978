"""One connection of an async client: a request out, its reply in, one at a time."""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kettlingar.transport.fdpass import close_all, give, tagging
from kettlingar.transport.stream import SocketStream
from kettlingar.wire.fdtags import FdTag
from kettlingar.wire.rpc import CallWriter, Failure, Items, ReplyReader, Result, StreamEnd

from .endpoints import Link

if TYPE_CHECKING:
    from .replies import ReplyTo

AHEAD = 256  # items of a stream that are read before their consumer wants them
RESET_WAIT = 0.05  # seconds that a reset may come behind a FIN
NOT_READ = "the service closed the connection before it read the request"


class NotExecutedError(ConnectionError):
    """The connection ended, and the request on it has certainly not run: it may be sent again."""


Answer = Result | Failure  # whole, in one piece


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
        self._writer = CallWriter(link.host, link.prefix, link.token, tagging)
        self.is_unix = link.sock.family == socket.AF_UNIX
        self._loop = loop
        self._released = released
        self._fds: deque[int] = deque()
        self._reader = ReplyReader(resolve=self._resolve)
        self._asked = False  # and not answered to the end
        self._answered = False  # by a byte at least
        self._paused = False
        self._ahead = 0  # items that nobody has taken yet
        self._events: deque[Any] = deque()
        self._waiter: asyncio.Future[Answer | None] | None = None
        self._end: Exception | None = None
        self.usable = True  # it is open, and nothing is known against it
        self.stream = SocketStream(loop, link.sock, self, takes_fds=self.is_unix)
        self.stream.start()

    # --- out ------------------------------------------------------------------

    def ask(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        use_json: bool,
        reply_to: ReplyTo | None,
    ) -> asyncio.Future[Answer | None]:
        """Send a call; the future has the whole answer, or None: then `event` has its parts.

        Raises TypeError or ValueError for what cannot be sent.
        """
        writer, extra = self._writer, b""
        fds = writer.fds
        if reply_to is not None:
            extra = reply_to.lines
            fds.append(reply_to.fd)
        try:
            request = writer.write(name, args, kwargs, use_json=use_json, extra=extra)
            if fds and not self.is_unix:
                raise ValueError(  # noqa: TRY301  the connection is given back below
                    "cannot send an open file over TCP; call over the unix socket"
                )
        except BaseException:
            fds.clear()
            self._released(self)
            raise
        self._asked = True
        self._answered = False
        waiter = self._waiter = self._loop.create_future()
        if fds:
            self.stream.lend(request, fds)
            fds.clear()
        else:
            self.stream.write(request)
        return waiter

    def gave_up(self, waiter: asyncio.Future[Answer | None]) -> None:
        """Nobody waits for that reply any more: what is left of it must not meet the next call."""
        if self._waiter is waiter:
            self.close()

    def _resolve(self, tag: FdTag) -> object:
        """Turn a placeholder in a reply into the open file or socket that came with it."""
        if not self._fds:
            raise OSError("the reply names a descriptor that did not come")
        return give(tag, self._fds.popleft())

    async def event(self) -> Items | Result | StreamEnd:
        """Return the next part of the reply; raise what the service, or the connection, raised."""
        while not self._events:
            if self._end is not None:
                raise self._end
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            except asyncio.CancelledError:
                self.close()  # the rest of this reply must not meet the next call
                raise
        event: Items | Result | StreamEnd | Failure = self._events.popleft()
        if isinstance(event, Items):
            self._ahead -= len(event.values)
            if self._paused and self._ahead < AHEAD:
                self._go_on()
            return event
        self._over(event)
        if isinstance(event, Failure):
            raise event.exception
        return event

    async def values(self) -> list[Any]:
        """Return the next items of a stream, as many as came at once; none: it has ended."""
        event = await self.event()
        return event.values if isinstance(event, Items) else []

    def _go_on(self) -> None:
        self._paused = False
        self.stream.resume()

    # --- in (transport.stream.Receiver) ---------------------------------------

    def received(self, data: bytes, fds: list[int]) -> None:
        """Read a part of the reply."""
        if fds:
            self._fds += fds
        waiter = self._waiter
        if waiter is not None and not self._answered:
            whole = self._reader.whole(data, resolve=self._resolve if self._fds else None)
            if whole is not None:  # as nearly all are
                self._waiter = None
                self._asked = False
                if self._fds:
                    self._drop_fds()
                self._released(self)
                if not waiter.done():
                    waiter.set_result(whole)
                return
        if not self._asked:
            self.close()  # nobody asked anything
            return
        self._answered = True
        self._read(data)
        self._wake()

    def _read(self, data: bytes) -> None:
        for event in self._reader.feed(data):
            self._events.append(event)
            if isinstance(event, Items):
                self._ahead += len(event.values)
        if self._ahead > AHEAD:
            self._paused = True
            self.stream.pause()

    def _over(self, last: Result | StreamEnd | Failure) -> None:
        """The reply has been read to its end: only now may another call begin."""
        self._asked = False
        if not self._reader.untouched:
            self._reader = ReplyReader(resolve=self._resolve)
        self._drop_fds()
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
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def close(self) -> None:
        """End it."""
        self.usable = False
        if self._end is None:
            self._end = OSError("the connection is closed")
        self._drop_fds()
        self.stream.abort()

    def _drop_fds(self) -> None:
        """Close the descriptors of which the reply did not speak."""
        close_all(self._fds)
        self._fds.clear()
