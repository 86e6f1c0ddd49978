"""The words of a run's life: phases, events that happen to it, actions that follow."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Phase(Enum):
    """Where a run stands; the values are the words that people see."""

    SPAWNING = "spawning"
    STARTING = "starting"
    READY = "ready"
    UNRESPONSIVE = "unresponsive"
    DRAINING = "draining"
    STOPPING = "stopping"
    KILLING = "killing"
    EXITED = "exited"


COMING = frozenset({Phase.SPAWNING, Phase.STARTING})
ACTIVE = COMING | {Phase.READY, Phase.UNRESPONSIVE}  # alive, and nobody ends it


class Action(Enum):
    """What the shell does for a run."""

    SPAWN = "spawn"
    ADMIT = "admit"  # connections may be given to it
    WITHDRAW = "withdraw"  # no more of them
    DRAIN = "drain"  # ask it to finish what it has
    QUIT = "quit"  # ask it to end
    SIGNAL = "signal"  # kill_signal
    DUMP_STACKS = "dump stacks"
    KILL = "kill"  # SIGKILL to its group
    REPORT_STUCK = "report stuck"
    SWEEP = "sweep"  # its end was seen: end what it left behind, give back what it held


class Event(Struct, frozen=True):
    """Something that happened at `at`, in monotonic seconds."""

    at: float


class Spawned(Event, frozen=True):
    """The process exists and has become its program."""


class SpawnFailed(Event, frozen=True):
    """There is no process: `step` could not be done, `error` says why."""

    step: str
    error: str


class BecameReady(Event, frozen=True):
    """It said so, and answered a `ping`."""


class Promoted(Event, frozen=True):
    """It may get traffic."""


class Extended(Event, frozen=True):
    """Its start takes `seconds` longer, from now."""

    seconds: float


class Reported(Event, frozen=True):
    """It said why it cannot go on; it ends soon.

    `step` is how far it came (import, config, init); `permanent`: it says itself
    that trying again makes no sense.
    """

    error: str
    where: str = ""
    permanent: bool = False
    step: str = ""


class TimerFired(Event, frozen=True):
    """The state's deadline has come."""


class WatchdogMissed(Event, frozen=True):
    """One question to its loop had no answer in time."""


class WatchdogAnswered(Event, frozen=True):
    """Its loop has answered."""


class StopWanted(Event, frozen=True):
    """Somebody wants it to end, for `reason`; without `drain` it cuts what is in flight.

    `within` shortens timeout_stop, it never lengthens a stop that is on its way.
    """

    reason: str
    drain: bool = True
    within: float = float("inf")


class Drained(Event, frozen=True):
    """Nothing is in flight any more."""


class Exited(Event, frozen=True):
    """The process has ended; both None: nobody can know how."""

    code: int | None
    signal: int | None


EVENTS: tuple[type[Event], ...] = (
    Spawned, SpawnFailed, BecameReady, Promoted, Extended, Reported, TimerFired,
    WatchdogMissed, WatchdogAnswered, StopWanted, Drained, Exited,
)  # fmt: skip
