"""Asks a worker's loop at each interval whether it is alive (core.watchdog decides)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kettlingard.core import watchdog
from kettlingard.core.vocabulary import Event, WatchdogAnswered, WatchdogMissed


class Pulse:
    """The watchdog's clock for one worker; owns one timer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interval: float,
        timeout: float,
        ask: Callable[[int], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._loop = loop
        self._interval, self._timeout = interval, timeout
        self._ask, self._tell = ask, tell
        self._state = watchdog.begin(loop.time(), interval)
        self._timer: asyncio.TimerHandle | None = None
        if interval > 0:
            self._wait()

    def answered(self, number: int) -> None:
        """An answer has come."""
        self._state, counts = watchdog.answered(self._state, number)
        if counts:
            self._tell(WatchdogAnswered(self._loop.time()))

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = self._loop.call_at(watchdog.due(self._state), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._state, missed, ask = watchdog.look(self._state, now, self._interval, self._timeout)
        self._wait()
        if missed:
            self._tell(WatchdogMissed(now))
        if ask and self._timer is not None:  # a miss may have ended it
            self._ask(self._state.number)
