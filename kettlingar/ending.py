"""The end of a supervised run: what asks for it, and how long what runs may take."""

from __future__ import annotations

import asyncio

from .server import Server


class Ending:
    """Who has asked for the end so far: a signal (`stop`), the supervisor, or nobody there to ask."""

    def __init__(self) -> None:
        self.stop: asyncio.Event = asyncio.Event()  # the runtime's, once there is one
        self.drain: asyncio.Event = asyncio.Event()
        self.quit: asyncio.Event = asyncio.Event()
        self.alone: asyncio.Event = asyncio.Event()  # there is no supervisor
        self._seconds = 0.0

    def drain_within(self, seconds: float) -> None:
        """The supervisor wants the end, and gives what runs so long."""
        self._seconds = seconds
        self.drain.set()

    @property
    def asked(self) -> bool:
        """Whether the supervisor has, and waits for it."""
        return self.drain.is_set() or self.quit.is_set()

    @property
    def begun(self) -> bool:
        """Whether anybody has."""
        return self.asked or self.stop.is_set()

    async def wanted(self) -> None:
        """Wait until anybody does."""
        await first(self.stop, self.drain, self.quit)

    async def drained(self, server: Server, own_seconds: float) -> None:
        """Finish what runs; Quit, or a TERM that comes while draining, cuts that short."""
        asked = self.asked
        draining = asyncio.create_task(server.drain(self._seconds if asked else own_seconds))
        hurry = asyncio.create_task(first(self.quit, self.stop) if asked else first(self.quit))
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not draining.done():
            server.cut()
        await draining

    async def allowed(self) -> None:
        """Wait for the supervisor's last word, if it has asked for the end."""
        if self.asked:
            await first(self.quit, self.stop, self.alone)


async def first(*events: asyncio.Event) -> None:
    """Wait for any of these."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
