"""When to ask a worker's loop whether it is alive, and when its silence counts."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Questions to one worker; times in monotonic seconds."""

    next_ask: float
    number: int = 0  # of the last question
    waits_until: float | None = None  # for the answer to it


def begin(now: float, interval: float) -> Watchdog:
    """The first question comes after one interval."""
    return Watchdog(next_ask=now + interval)


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
    asked = Watchdog(now + interval, watchdog.number + 1, now + timeout)
    return asked, missed, True


def answered(watchdog: Watchdog, number: int) -> tuple[Watchdog, bool]:
    """Take an answer; True if it is one to the last question, however late."""
    if number != watchdog.number:
        return watchdog, False
    return replace(watchdog, waits_until=None), True
