"""The one place where the supervisor reads the time."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Struct


class Moment(Struct, frozen=True):
    """One moment on both clocks: durations come from the first, people read the second."""

    monotonic: float  # seconds; the event loop's own clock
    wall: float  # seconds since 1970, UTC


def now() -> float:
    """Monotonic seconds."""
    return time.monotonic()


def moment() -> Moment:
    """This moment."""
    return Moment(time.monotonic(), time.time())


def boot_id() -> str:
    """Of this boot of the machine: monotonic times of another one mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def ago(moment: Moment) -> float:
    """Seconds since then, however the wall clock was set meanwhile."""
    return time.monotonic() - moment.monotonic
