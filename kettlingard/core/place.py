"""One instance, a numbered place that a run fills: what its runs' ends mean.

CLEAR: a run may be started (or runs). BACKOFF: one may be started when `due`
has come. FAILED: it came to an end too often, or in a way that trying again
cannot mend; `due` is the slow retry, None is for ever. ENDED: it ended well
and the policy wants no other. Only ends that nobody asked for count.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from .backoff import RestartPolicy, delay_before, recent
from .end import End
from .vocabulary import Event, TimerFired

# Steps at which a service fails until somebody changes it; `init` may fail for a while only.
LASTING = frozenset({"import", "config"})
STORM = "most services are in backoff: tried again after restart_max_delay"


class Standing(Enum):
    """May this place be filled?"""

    CLEAR = "clear"
    BACKOFF = "backoff"
    FAILED = "failed"
    ENDED = "exited"


class RunServes(Event, frozen=True):
    """A run of this place is ready, and it is the one that gets the traffic."""


class RunEnded(Event, frozen=True):
    """A run of this place has ended; `jitter` of 0..1 spreads the next try.

    `storm`: most services of this host wait for theirs.
    """

    end: End
    jitter: float = 0.5
    storm: bool = False


class Forgiven(Event, frozen=True):
    """A person asked, or the definition is another one: nothing of before counts."""


class Hastened(Event, frozen=True):
    """What it waited for is there: the next try is due now."""


class Mended(Event, frozen=True):
    """Its sources are others than those that failed: one try is due now."""


EVENTS: tuple[type[Event], ...] = (
    RunServes, RunEnded, TimerFired, Forgiven, Hastened, Mended,
)  # fmt: skip


class Place(Struct, frozen=True):
    """The standing of one instance and its record."""

    standing: Standing = Standing.CLEAR
    due: float | None = None  # CLEAR: stable from then on; else: the next try
    ends: tuple[float, ...] = ()  # unasked for, inside start_limit_interval
    attempt: int = 0  # step of the backoff
    probing: bool = False  # the one try from FAILED is on
    reason: str = ""  # why BACKOFF or FAILED
    restarts: int = 0  # unasked-for ends of all its time
    last_end: End | None = None


Cell = Callable[[Place, Event, RestartPolicy], Place]


def step(place: Place, event: Event, policy: RestartPolicy) -> Place:
    """What `event` makes of `place`."""
    return TABLE[place.standing][type(event)](place, event, policy)


def _stay(place: Place, e: Event, p: RestartPolicy) -> Place:
    return place


def _serves(place: Place, e: Event, p: RestartPolicy) -> Place:
    return replace(place, standing=Standing.CLEAR, due=e.at + p.stable_after, reason="")


def _stable(place: Place, e: Event, p: RestartPolicy) -> Place:
    return replace(place, due=None, ends=(), attempt=0, probing=False)


def _forgive(place: Place, e: Event, p: RestartPolicy) -> Place:
    return Place(restarts=place.restarts, last_end=place.last_end)


def _hasten(place: Place, e: Event, p: RestartPolicy) -> Place:
    return replace(place, due=e.at)


def _try(place: Place, e: Event, p: RestartPolicy) -> Place:
    return replace(place, standing=Standing.CLEAR, due=None)


def _probe(place: Place, e: Event, p: RestartPolicy) -> Place:
    return replace(place, standing=Standing.CLEAR, due=None, probing=True)


def _mend(place: Place, e: Event, p: RestartPolicy) -> Place:
    return place if p.restart == "no" else _probe(place, e, p)


def _judge(place: Place, e: Event, p: RestartPolicy) -> Place:
    assert isinstance(e, RunEnded)
    end = e.end
    before, place = place, replace(place, last_end=end)
    if end.requested:
        return place
    place = replace(
        place, restarts=place.restarts + 1, ends=(*recent(place.ends, e.at, p), e.at), due=None
    )
    if _is_good(end, p) and p.restart != "always":
        return replace(place, standing=Standing.ENDED, reason=end.how)
    final = _no_sense_in_trying(before, end, p)
    if final:
        return replace(place, standing=Standing.FAILED, reason=final)
    if place.probing or len(place.ends) > p.burst:
        due = e.at + p.retry_after if p.retry_after > 0 else None
        reason = f"{end.cause} ({len(place.ends)} ends in {p.interval:g} s)"
        return replace(
            place, standing=Standing.FAILED, due=due, reason=end.cause if place.probing else reason
        )
    due = e.at + delay_before(place.attempt, p, e.jitter, storm=e.storm)
    reason = f"{end.cause} ({STORM})" if e.storm else end.cause
    return replace(
        place, standing=Standing.BACKOFF, due=due, attempt=place.attempt + 1, reason=reason
    )


def _is_good(end: End, p: RestartPolicy) -> bool:
    return end.status in p.good and not end.reason and not end.error


def _no_sense_in_trying(before: Place, end: End, p: RestartPolicy) -> str:
    """Why no further try is made; "" if one is."""
    if end.permanent or (end.status is not None and end.status in p.final):
        return end.cause
    if p.restart == "no":
        return end.cause
    last = before.last_end
    if end.step in LASTING and last is not None and _said(last) == _said(end):
        return f"the same twice: {end.error}"
    return ""


def _said(end: End) -> tuple[str, str, str]:
    return end.step, end.error, end.where


# Every cell is decided; tests/unit/core/test_place.py fails on a missing one.
_ROWS: dict[type[Event], tuple[Cell, ...]] = {
    #            CLEAR     BACKOFF   FAILED    ENDED
    RunServes:  (_serves,  _serves,  _serves,  _serves),
    RunEnded:   (_judge,   _judge,   _judge,   _judge),
    TimerFired: (_stable,  _try,     _probe,   _stay),
    Forgiven:   (_forgive, _forgive, _forgive, _forgive),
    Hastened:   (_stay,    _hasten,  _stay,    _stay),
    Mended:     (_stay,    _hasten,  _mend,    _stay),
}  # fmt: skip
TABLE: dict[Standing, dict[type[Event], Cell]] = {
    standing: {event: row[number] for event, row in _ROWS.items()}
    for number, standing in enumerate(Standing)
}
