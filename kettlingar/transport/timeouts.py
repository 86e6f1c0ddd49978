"""Deadlines for many things that all have the same time: one queue, one timer.

Since the duration is the same for all, the order of arrival is the order of
expiry: adding, touching and discarding are O(1), and the loop holds one timer
for ten thousand connections.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Thing = TypeVar("Thing", bound=Hashable)

# uvloop rounds timers to milliseconds and so may call a little early.
EARLY = 0.001  # seconds
AT_ONCE = 4  # things that expire in one turn of the loop: others want it too


class Deadlines(Generic[Thing]):
    """Calls `on_expire(thing)` when `seconds` have passed since a thing was added or touched.

    `seconds` of 0 or less: nothing ever expires. A timer is armed only while
    there is something to wait for; when the last thing leaves, the one that is
    armed is left to run out instead of being made anew for each request.
    """

    __slots__ = ("_due", "_loop", "_on_expire", "_seconds", "_timer")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        on_expire: Callable[[Thing], object],
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._on_expire = on_expire
        self._due: OrderedDict[Thing, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, thing: object) -> bool:
        return thing in self._due

    def add(self, thing: Thing) -> None:
        """Start the thing's time, or start it again."""
        if self._seconds <= 0:
            return
        due = self._loop.time() + self._seconds
        self._due[thing] = due
        self._due.move_to_end(thing)
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._expire)

    def touch(self, thing: Thing) -> None:
        """Start the time of a thing again if it is waiting here; otherwise nothing."""
        if thing in self._due:
            self._due[thing] = self._loop.time() + self._seconds
            self._due.move_to_end(thing)

    def discard(self, thing: Thing) -> None:
        """Forget the thing, if it is here."""
        self._due.pop(thing, None)

    def close(self) -> None:
        """Forget everything and call nobody again."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time() + EARLY
        try:
            for _ in range(AT_ONCE):
                if not self._due:
                    break
                thing, due = next(iter(self._due.items()))
                if due > now:
                    break
                del self._due[thing]
                self._on_expire(thing)
        finally:
            if self._due and self._timer is None:
                self._timer = self._loop.call_at(next(iter(self._due.values())), self._expire)
