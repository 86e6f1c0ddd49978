"""Whose turn it is with an accepted connection, and what becomes of it when its worker dies.

    HELD ──▶ SENT ──▶ TAKEN ──▶ ANSWERING ──▶ (done)
      ▲        │        │
      └────────┴────────┘  returned, or its worker died and the kernel says: untouched

The supervisor keeps its own copy until ANSWERING. A request may be read by one
worker only: one that was read is never given to a second one, however sure it
looks that nothing came of it.
"""

from __future__ import annotations

from enum import Enum

from .marks import Whose


class Stage(Enum):
    """How far a connection has got, as far as we were told."""

    HELD = "held"  # ours, no worker has it
    SENT = "sent"  # on its way to a worker
    TAKEN = "taken"  # the worker is about to read it, or has
    ANSWERING = "answering"  # the first answer has begun; our copy is closed


class Touch(Enum):
    """What the kernel says was done with a connection."""

    UNTOUCHED = "untouched"
    READ = "read"  # bytes were consumed, none sent
    ANSWERED = "answered"  # bytes were sent, or the sending side was closed
    GONE = "gone"  # reset: there is nobody to answer
    UNKNOWN = "unknown"  # not a TCP socket


class Fate(Enum):
    """What to do with a dead worker's connection."""

    AGAIN = "again"  # to another worker
    SORRY = "sorry"  # 503: it was read, perhaps done, and not answered
    CUT = "cut"  # end it: an answer has begun, and cannot be completed
    FORGET = "forget"  # nobody waits for it


# struct tcp_info's states (net/tcp_states.h)
_CLOSED = 7
_PEER_SHUT = {8, 9, 11, 6}  # CLOSE_WAIT, LAST_ACK, CLOSING, TIME_WAIT: its FIN came
_WE_SHUT = {4, 5, 6, 9, 11}  # FIN_WAIT1, FIN_WAIT2, TIME_WAIT, LAST_ACK, CLOSING


def touched(*, state: int, received: int, unread: int, sent: int, unsent: int) -> Touch:
    """Read the kernel's counters of one TCP connection.

    `received` counts bytes since the beginning and the peer's FIN as one,
    `unread` those still in the queue; `sent` counts without our FIN, `unsent`
    what waits or is not acknowledged.
    """
    if state == _CLOSED:
        return Touch.GONE
    if sent or unsent or state in _WE_SHUT:
        return Touch.ANSWERED
    consumed = received - (state in _PEER_SHUT) - unread
    return Touch.READ if consumed > 0 else Touch.UNTOUCHED


_BY_TOUCH = {
    Touch.UNTOUCHED: Fate.AGAIN,
    Touch.READ: Fate.SORRY,
    Touch.ANSWERED: Fate.CUT,
    Touch.GONE: Fate.FORGET,
}

# The kernel knows best. Where it says nothing (unix sockets), `taken` was said before the first
# read; after it an answer may have begun, and a 503 in its midst would be worse than an end.
FATES: dict[Stage, dict[Touch, Fate]] = {
    Stage.HELD:      {**_BY_TOUCH, Touch.UNKNOWN: Fate.AGAIN},
    Stage.SENT:      {**_BY_TOUCH, Touch.UNKNOWN: Fate.AGAIN},
    Stage.TAKEN:     {**_BY_TOUCH, Touch.UNKNOWN: Fate.CUT},
    Stage.ANSWERING: dict.fromkeys(Touch, Fate.CUT),
}  # fmt: skip


def rescued(whose: Whose, touch: Touch, *, known: bool) -> Fate:
    """What becomes of a connection that a killed supervisor had.

    `known`: a worker has it, or may have it as far as anybody knows. One of which nothing
    was said was accepted in the supervisor's last moment, or has been refused by it.
    """
    if whose is Whose.OURS:
        return Fate.AGAIN
    if whose is Whose.SENT and not known:
        return FATES[Stage.SENT][touch]
    untouched = whose is Whose.NOBODY_SAID and touch is Touch.UNTOUCHED
    return Fate.AGAIN if untouched else Fate.FORGET


def fate(stage: Stage, touch: Touch, *, answered: bool = False) -> Fate:
    """What becomes of a connection whose worker has died.

    One that was `answered` by another worker before: the kernel's counters speak of that
    one too, and only the worker's own word says whether it has read anything.
    """
    return FATES[stage][Touch.UNKNOWN if answered else touch]
