"""The end of a supervised run: what asks for it, and how long what runs may take."""

from __future__ import annotations

import asyncio

from kettlingar.requests.server import Server


class _Word(asyncio.Event):
    """Whoever says it rings a bell that is common to several: to wait for any of them takes no task."""

    def __init__(self, bell: asyncio.Event) -> None:
        super().__init__()
        self._bell = bell

    def set(self) -> None:
        super().set()
        self._bell.set()


class Ending:
    """Who has asked for the end so far: a signal (`stop`), the supervisor, or nobody there to ask."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self.stop = _Word(self._bell)  # the runtime's, too
        self.drain = _Word(self._bell)
        self.quit = _Word(self._bell)
        self.alone = _Word(self._bell)  # there is no supervisor
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
        await self._first(self.stop, self.drain, self.quit)

    async def drained(self, server: Server, own_seconds: float) -> None:
        """Finish what runs; Quit, or a TERM that comes while draining, cuts that short."""
        asked = self.asked
        draining = asyncio.create_task(server.drain(self._seconds if asked else own_seconds))
        hurry = asyncio.create_task(self._first(self.quit, *([self.stop] if asked else [])))
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not draining.done():
            await server.cut()
        await draining

    async def allowed(self) -> None:
        """Wait for the supervisor's last word, if it has asked for the end."""
        if self.asked:
            await self._first(self.quit, self.stop, self.alone)

    async def _first(self, *words: _Word) -> None:
        """Wait for any of these."""
        while not any(word.is_set() for word in words):
            self._bell.clear()
            await self._bell.wait()
