"""All that one service is, as one value: what is wanted, and what there is.

reconcile.py reads it and says what to do; actor.py makes the next one.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from .backoff import RestartPolicy
from .place import Place
from .run import Run, RunPolicy
from .vocabulary import ACTIVE, Phase


class UpdatePolicy(Struct, frozen=True):
    """[update], and how many may start at once."""

    start_first: bool = True
    parallelism: int = 1
    monitor: float = 1.0
    start_parallelism: int = 2
    goes_on: bool = False  # a place whose new run fails does not keep the others waiting


class PoolPolicy(Struct, frozen=True):
    """[pool]: how many there may be, and when a run is renewed. 0 = off."""

    least: int | None = None  # min_instances; None: as many as there may be
    start: int = 1  # to begin with
    idle_timeout: float = 0.0
    recycle_age: float = 0.0
    recycle_requests: int = 0
    recycle_memory: int = 0
    recycle_jitter: float = 0.1


class Policies(Struct, frozen=True):
    """What a definition says about the life of its runs."""

    run: RunPolicy = field(default_factory=RunPolicy)
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    update: UpdatePolicy = field(default_factory=UpdatePolicy)
    pool: PoolPolicy = field(default_factory=PoolPolicy)


class Wanted(Struct, frozen=True):
    """What somebody wants of a service."""

    instances: int = 0  # 0 = stopped; of an elastic pool, the most
    generation: int = 1
    held_back: frozenset[int] = frozenset()  # instances that were stopped one by one
    renew: Mapping[int, int] = field(default_factory=dict)  # instance -> replace runs up to this
    reason: str = "stop"  # why the unwanted end
    drain: bool = True  # and whether they may finish first
    within: float = float("inf")  # seconds that cap timeout_stop


class Member(Struct, frozen=True):
    """A run with its identity."""

    number: int  # grows by one with each run of the service
    place: int
    generation: int
    run: Run

    @property
    def active(self) -> bool:
        """Alive, and nobody ends it."""
        return self.run.phase in ACTIVE


class ServiceState(Struct, frozen=True):
    """One service. Members are runs that have not EXITED."""

    wanted: Wanted = field(default_factory=Wanted)
    members: Mapping[int, Member] = field(default_factory=dict)
    places: Mapping[int, Place] = field(default_factory=dict)
    policies: Policies = field(default_factory=Policies)
    fallback: int | None = None  # the last good generation, while a new one comes in
    paused: str = ""  # why the rollout stands still
    last_run: int = 0
    size: int | None = None  # instances now, of an elastic pool; None: wanted.instances
    calm_since: float | None = None  # a smaller size has been enough from then on

    def place(self, number: int) -> Place:
        """The record of an instance; a blank one if it has none."""
        return self.places.get(number, BLANK)

    def at_place(self, number: int) -> list[Member]:
        """Its runs, in order of age."""
        return [member for member in self.members.values() if member.place == number]


BLANK = Place()


class Load(Struct, frozen=True):
    """What a service has to do now."""

    connections: int = 0  # in flight, and waiting
    busy_at: float = float("-inf")  # when there was last enough for all instances
    peak: int = 0  # connections at once, since then


LIGHT = Load()


class Wear(Struct, frozen=True):
    """What a run has behind it."""

    served: int = 0  # requests
    memory: int = 0  # bytes


class Circumstances(Struct, frozen=True):
    """What the rest of the daemon has to say."""

    may_start: bool = True  # dependencies are ready, listeners are bound
    tokens: int = 16  # starts that the daemon allows now
    occupied: frozenset[int] = frozenset()  # instances with a process that is not ours to end
    rest: str = ""  # why nothing of it may run now: what it is bound to rests
    load: Load | None = LIGHT  # None: not known yet, the size stays
    wear: Mapping[int, Wear] = field(default_factory=dict)  # by run


def is_serving(member: Member) -> bool:
    """It gets traffic."""
    return member.run.phase is Phase.READY and member.run.promoted
