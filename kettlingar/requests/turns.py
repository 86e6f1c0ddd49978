"""Turns of the loop, for work that never waits: however much there is of it, others come in between.

A stream whose reader takes everything would otherwise go on at once after each piece; a
thousand of them would make each turn of the loop a thousand pieces long.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

LONG = 0.00015  # seconds; with more in a turn of the loop, others would notice
MOST = 16  # pieces in one turn, where all of them together take less


class Turns:
    """Lets those who ask go on, in the order in which they came, as many in a turn as it has time for.

    How many that is shows in how long the last turn took, with all that came in it.
    """

    __slots__ = ("_at_once", "_began", "_begins", "_clock", "_free", "_loop", "_waiting")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._loop = loop
        self._clock = clock  # the loop's own may go by milliseconds
        self._began = 0.0
        self._at_once = 1
        self._free = 1
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._begins = False  # the next turn is looked forward to

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a turn."""
        return bool(self._waiting)

    async def next(self) -> None:
        """Wait for one's own turn: the next one, if few want it."""
        if not self._begins:
            self._begins = True
            self._began = self._clock()
            self._loop.call_soon(self._begin)
        if self._free and not self._waiting:
            self._free -= 1
            await asyncio.sleep(0)
            return
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def _begin(self) -> None:
        began, self._began = self._began, self._clock()
        if self._began - began > LONG:
            self._at_once = max(1, self._at_once // 2)
        elif self._at_once < MOST:
            self._at_once += 1
        self._free = self._at_once
        while self._waiting and self._free:
            waiter = self._waiting.popleft()
            if not waiter.done():  # cancelled
                waiter.set_result(None)
                self._free -= 1
        self._begins = bool(self._waiting)
        if self._begins:
            self._loop.call_soon(self._begin)


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns() -> Turns:
    """Return those of the running loop."""
    loop = asyncio.get_running_loop()
    found = _of_loops.get(loop)
    if found is None:
        found = _of_loops[loop] = Turns(loop)
    return found
