"""When to ask a worker's loop whether it is alive, and when its silence counts."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class Watchdog(Struct, frozen=True):
    """Questions to one worker; times in monotonic seconds."""

    next_ask: float
    number: int = 0  # of the last question
    waits_until: float | None = None  # for the answer to it


def next_turn(now: float, interval: float) -> float:
    """The same for all workers of one interval, so that the supervisor wakes once for them."""
    return (now // interval + 1) * interval


def begin(now: float, interval: float) -> Watchdog:
    """The first question comes with everybody's next one."""
    return Watchdog(next_turn(now, interval))


def doubt(now: float, interval: float, left: float) -> Watchdog:
    """It is asked at once, and has what is `left` of its time."""
    turn = next_turn(now, interval)
    return Watchdog(turn, number=1, waits_until=min(now + left, turn))


def due(watchdog: Watchdog) -> float:
    """When `look` has something to say."""
    waits = watchdog.waits_until
    return watchdog.next_ask if waits is None else min(waits, watchdog.next_ask)


def look(
    watchdog: Watchdog, now: float, interval: float, timeout: float
) -> tuple[Watchdog, bool, bool]:
    """Return the next state, whether an answer is missing, and whether to ask now."""
    waits = watchdog.waits_until
    missed = waits is not None and now >= min(waits, watchdog.next_ask)
    if missed:
        watchdog = replace(watchdog, waits_until=None)
    if now < watchdog.next_ask:
        return watchdog, missed, False
    asked = Watchdog(next_turn(now, interval), watchdog.number + 1, now + timeout)
    return asked, missed, True


def answered(watchdog: Watchdog, number: int) -> tuple[Watchdog, bool]:
    """Take an answer; True if it is one to the last question, however late."""
    if number != watchdog.number:
        return watchdog, False
    return replace(watchdog, waits_until=None), True
