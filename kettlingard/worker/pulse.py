"""Whether workers' loops are alive.

Of one that is trusted it is enough that it reads what it is sent: it is asked together with all
others of its rhythm, and the kernel says later who has read it. Whoever has not, or is new, or
was silent, is asked for an answer (core.watchdog decides) until one comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kettlingard.core import watchdog
from kettlingard.core.vocabulary import Event, WatchdogAnswered, WatchdogMissed
from kettlingard.core.watchdog import Watchdog

EARLY = 0.001  # seconds: uvloop rounds timers to milliseconds and so may call a little early


class Rhythm:
    """Asks all trusted workers of one interval in one turn of the loop; one timer for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float, timeout: float) -> None:
        self.loop = loop
        self.interval = interval  # seconds between two questions
        self.timeout = min(timeout, interval)  # seconds until silence counts
        self._members: dict[Pulse, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def join(self, pulse: Pulse) -> None:
        """Ask this one too, from the next question on."""
        self._members[pulse] = None
        if self._timer is None:
            self._wait()

    def leave(self, pulse: Pulse) -> None:
        """Ask it no more."""
        self._members.pop(pulse, None)
        if not self._members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        turn = watchdog.next_turn(self.loop.time() + EARLY, self.interval)
        self._timer = self.loop.call_at(turn, self._ask)

    def _ask(self) -> None:
        self._timer = self.loop.call_later(self.timeout / 2, self._look)
        for pulse in self._members:
            pulse.nudge()

    def _look(self) -> None:
        self._wait()
        for pulse in [one for one in self._members if one.unread()]:
            pulse.doubt()


class Rhythms:
    """The rhythms that there are."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[tuple[float, float], Rhythm] = {}

    def of(self, interval: float, timeout: float) -> Rhythm:
        """The one with this interval and timeout."""
        key = (interval, timeout)
        if key not in self._known:
            self._known[key] = Rhythm(self._loop, interval, timeout)
        return self._known[key]


class Pulse:
    """The watchdog of one worker, from `begin` to `stop`.

    `ask(number)` wants an answer to that number; `nudge()` sends it something to read, and
    `unread()` says whether something that it was sent has not been read.
    """

    def __init__(
        self,
        rhythm: Rhythm,
        ask: Callable[[int], None],
        nudge: Callable[[], None],
        unread: Callable[[], bool],
        tell: Callable[[Event], None],
    ) -> None:
        self._rhythm, self._loop = rhythm, rhythm.loop
        self.ask, self.nudge, self.unread = ask, nudge, unread
        self._tell = tell
        self._state: Watchdog | None = None  # None: it is trusted
        self._owed = False  # its next answer is news
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, *, trusted: bool) -> None:
        """Of one that is not `trusted` who watched it before may have missed an answer."""
        self._owed = not trusted
        if trusted:
            self._rhythm.join(self)
        else:
            self._wait(watchdog.begin(self._loop.time(), self._rhythm.interval))

    def answered(self, number: int) -> None:
        """An answer has come."""
        if self._state is None:
            return
        self._state, counts = watchdog.answered(self._state, number)
        if counts:
            self.stop()
            self._state = None
            self._rhythm.join(self)
            if self._owed:
                self._owed = False
                self._tell(WatchdogAnswered(self._loop.time()))

    def doubt(self) -> None:
        """It has not read what it was sent in half of its time: the other half is for an answer."""
        self._rhythm.leave(self)
        now, rhythm = self._loop.time() + EARLY, self._rhythm
        self._wait(watchdog.doubt(now, rhythm.interval, rhythm.timeout / 2))
        self.ask(1)

    def stop(self) -> None:
        """Ask no more."""
        self._rhythm.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, state: Watchdog) -> None:
        self._state = state
        self._timer = self._loop.call_at(watchdog.due(state), self._look)

    def _look(self) -> None:
        assert self._state is not None
        now, rhythm = self._loop.time() + EARLY, self._rhythm
        state, missed, ask = watchdog.look(self._state, now, rhythm.interval, rhythm.timeout)
        self._wait(state)
        if missed:
            self._owed = True
            self._tell(WatchdogMissed(now))
        if ask and self._timer is not None:  # a miss may have ended it
            self.ask(state.number)
