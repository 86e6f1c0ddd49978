"""Joins one WebSocket's messages to its connection: queues, deadlines, signs of life.

    NEW --accept--> OPEN --a close frame, either way--> CLOSING --the other's--> over

Messages wait here until the method reads them, and beyond a few in the kernel.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque

from kettlingar.requests.serving import Session
from kettlingar.transport.fdpass import close_all

from .messages import CloseCode, Messages, Pong

MAX_WAITING = 32  # messages that nobody has read yet; more wait in the kernel
CLOSING = 5.0  # seconds: for the peer to close too, and for the method to notice that it has


class WebSocketClosed(ConnectionError):  # noqa: N818  as `NotFound`, it is named for authors
    """The socket has ended: `code` and `reason` as the peer said them (RFC 6455, 7.4)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the WebSocket is closed ({code}{f', {reason}' if reason else ''})")
        self.code = code
        self.reason = reason


class Link:
    """Takes a connection over (`transport.connection.Taker`); owned by one running method."""

    def __init__(self, session: Session, messages: Messages, max_size: int) -> None:
        self.messages = messages
        self.connection = session.connection
        self.accepted = False
        self._interval = session.settings.ws_ping
        self._max_size = max_size
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._received: deque[str | bytes] = deque()
        self._size = 0  # of what is in `_received`
        self._paused = False
        self._draining = False
        self._reader: asyncio.Future[None] | None = None
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._pings: dict[bytes, asyncio.Future[float]] = {}
        self._heard = True
        self._asking: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._relief: asyncio.Task[None] | None = None
        self._early = self.connection.take_over(self)

    def accept(self) -> None:
        """Open the socket; nothing if it is."""
        if self.accepted:
            return
        self.accepted = True
        self.connection.send(self.messages.accepted)
        if self._interval > 0:
            self._asking = self._loop.call_later(self._interval, self._ask)
        early, self._early = self._early, b""
        if early:
            self.received(early, [])
        if not self._paused:
            self.connection.stream.resume()
        if self._draining:
            self.drain()

    def stop(self) -> None:
        """Forget the method: it has ended."""
        for timer in (self._asking, self._ending):
            if timer is not None:
                timer.cancel()
        if self._relief is not None:
            self._relief.cancel()

    def closed(self) -> WebSocketClosed:
        """Return what to raise: how it ended, 1006 if it just broke."""
        said = self.messages.closed_by
        return (
            WebSocketClosed(1006, "") if said is None else WebSocketClosed(said.code, said.reason)
        )

    # --- for the method -------------------------------------------------------

    async def take(self) -> str | bytes:
        """Return the next message; WebSocketClosed when there will be none."""
        while not self._received:
            if not self.messages.open:
                raise self.closed()
            if self._reader is not None:
                raise RuntimeError("cannot read: another task already waits for a message")
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        message = self._received.popleft()
        self._size -= len(message)
        if self._paused and not self._is_full(half=True):
            self._paused = False
            if self._relief is None:
                self.connection.stream.resume()
        return message

    def write(self, message: str | bytes) -> None:
        """Send a message; WebSocketClosed if that cannot be any more."""
        if not self.messages.open:
            raise self.closed()
        self.messages.send(message)
        self.flush()

    async def ping(self) -> float:
        """Return how many seconds a ping took."""
        if not self.messages.open:
            raise self.closed()
        data = os.urandom(4)
        pong: asyncio.Future[float] = self._loop.create_future()
        self._pings[data] = pong
        began = time.monotonic()
        self.messages.ping(data)
        self.flush()
        try:
            return await pong - began
        finally:
            self._pings.pop(data, None)

    def begin_close(self, code: int, reason: str) -> None:
        """Send a close frame; nothing if that has been done. ValueError for a wrong code."""
        self.messages.close(code, reason)
        self.flush()
        self._wake()

    async def over(self) -> None:
        """Wait a while until the peer has closed too."""
        await asyncio.wait([self._over], timeout=CLOSING)

    def drain(self) -> None:
        """The service ends: say so to the peer, and by the iteration's end to the method."""
        self._draining = True
        if self.accepted:
            self.begin_close(CloseCode.GOING_AWAY, "the service ends")

    # --- bytes in -------------------------------------------------------------

    def received(self, data: bytes, fds: list[int]) -> None:
        """Take bytes from the connection."""
        close_all(fds)
        if not self.accepted:
            self._early += data
            self.connection.stream.pause()  # a client that speaks before its turn
            return
        self._heard = True
        for event in self.messages.feed(data):
            if isinstance(event, Pong):
                self._take_pong(event.data)
            else:
                self._received.append(event)
                self._size += len(event)
        self.flush()
        if self._is_full():
            self._paused = True
            self.connection.stream.pause()
        if self._received or not self.messages.open:
            self._wake()
        if self.messages.finished:
            self._end()

    def _is_full(self, *, half: bool = False) -> bool:
        share = 2 if half else 1
        return len(self._received) > MAX_WAITING // share or self._size > self._max_size // share

    def _take_pong(self, data: bytes) -> None:
        pong = self._pings.get(data)
        if pong is not None and not pong.done():
            pong.set_result(time.monotonic())

    def ended(self, error: OSError | None) -> None:
        """Take the connection's end."""
        if not self.accepted:
            self.connection.ended(error or ConnectionResetError("the client has gone"))
            return
        self.messages.end()
        self._end()

    def _end(self) -> None:
        """Nothing more comes or goes: the method should notice, and has a moment to do so."""
        if self._over.done():
            return
        self._over.set_result(None)
        for pong in self._pings.values():
            if not pong.done():
                pong.set_exception(self.closed())
        self._wake()
        if self._task is not None:
            self._ending = self._loop.call_later(CLOSING, self._task.cancel)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # --- bytes out ------------------------------------------------------------

    def flush(self) -> None:
        """Send what the protocol has to say."""
        data = self.messages.output()
        if data:
            self.connection.send(data)
        stream = self.connection.stream
        if stream.buffered > stream.high_water and self._relief is None:
            # A peer that sends pings and reads no pongs must wait with the others.
            stream.pause()
            self._relief = self._loop.create_task(self._relieved())

    async def _relieved(self) -> None:
        try:
            await self.connection.drained()
        except ConnectionError:
            return  # `ended` has heard of it
        finally:
            self._relief = None
        if not self._paused:
            self.connection.stream.resume()

    def _ask(self) -> None:
        """Send a ping now and then; a peer of whom nothing was heard since the last one is gone."""
        if not self.messages.open:
            return
        if self._heard or self._paused or self._relief is not None:
            self._heard = False
            self.messages.ping(b"")
            self._asking = self._loop.call_later(self._interval, self._ask)
        else:
            self.messages.fail(CloseCode.FAILED, "no answer to a ping")
        self.flush()
        if self.messages.finished:
            self._end()
