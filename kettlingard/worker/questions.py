"""What somebody wants to know of a worker now: asked over its channel, waited for with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kettlingar.transport import messages


class Questions:
    """The questions to one worker that have no answer yet."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, say: Callable[[messages.Message], None]
    ) -> None:
        self._loop = loop
        self._say = say
        self._fresh: asyncio.Event | None = None  # waited for: set by the next Pong
        self._dump: asyncio.Future[str] | None = None

    def ping(self, number: int) -> None:
        """Is its loop alive? Nobody waits here: the watchdog hears of the answer."""
        self._say(messages.Ping(number=number, sent=self._loop.time()))

    async def pong(self, seconds: float) -> None:
        """Wait for a new Pong, if it comes within `seconds`."""
        if self._fresh is None:  # else somebody has just asked
            self._fresh = asyncio.Event()
            self._say(messages.Ping(number=0, sent=self._loop.time()))
        fresh = self._fresh
        try:
            async with asyncio.timeout(seconds):
                await fresh.wait()
        except TimeoutError:
            if self._fresh is fresh:
                self._fresh = None  # the next one asks again

    def ponged(self) -> None:
        """A Pong has come."""
        if self._fresh is not None:
            self._fresh.set()
            self._fresh = None

    async def stacks(self, seconds: float) -> str | None:
        """What it is doing; None if its loop does not answer in time."""
        self._dump = self._loop.create_future()
        self._say(messages.Dump())
        try:
            async with asyncio.timeout(seconds):
                return await self._dump
        except TimeoutError:
            return None

    def dumped(self, text: str) -> None:
        """Its stacks have come."""
        if self._dump is not None and not self._dump.done():
            self._dump.set_result(text)
