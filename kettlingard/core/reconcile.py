"""What to do so that what is becomes what is wanted: level-triggered.

`decide` looks at facts only, never at how they came about. Start, stop, scale,
crash restart, rolling restart and the renewal of one instance are all this one
comparison, and a decision that got lost is simply made again.

A run is *fit* for its place when it is of the wanted generation and newer than
what is to be renewed. A place without a fit run gets one: at once if nothing
else serves it, else by the rules of the rollout.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

from msgspec import Struct
from msgspec.structs import replace

from .elastic import elastic_times
from .place import Standing
from .state import Circumstances, Member, ServiceState, is_serving
from .vocabulary import COMING, Phase

BRAKE = 5.0  # a start counts against start_parallelism no longer than this


class StartRun(Struct, frozen=True):
    """A new run for an instance."""

    place: int
    generation: int


class StopRun(Struct, frozen=True):
    """This run is not wanted any more."""

    number: int
    reason: str
    drain: bool = True
    within: float = float("inf")


class PromoteRun(Struct, frozen=True):
    """This run gets the traffic of its place from now on."""

    number: int


Step = StartRun | StopRun | PromoteRun


class _Situation(Struct):
    """One wanted place, sorted."""

    number: int
    fit: Member | None
    unfit: list[Member]  # active ones
    ending: list[Member]

    @property
    def served_by_unfit(self) -> bool:
        return any(is_serving(member) for member in self.unfit)


def wanted_places(state: ServiceState) -> list[int]:
    """The instances that should be filled. A stuck process's number is passed over."""
    stuck = {member.place for member in state.members.values() if member.run.stuck}
    free = (number for number in count(1) if number not in stuck)
    most = state.wanted.instances
    numbers = islice(free, most if state.size is None else min(state.size, most))
    return [number for number in numbers if number not in state.wanted.held_back]


def places_at_most(state: ServiceState) -> list[int]:
    """Those that an elastic pool may have."""
    return wanted_places(replace(state, size=None))


def decide(state: ServiceState, now: float, around: Circumstances) -> list[Step]:
    """The next steps; empty when all is as it should be, or only time can help."""
    wanted = wanted_places(state)
    if around.rest:
        active = [member for member in state.members.values() if member.active]
        return [StopRun(member.number, around.rest) for member in active]
    situations = _situations(state, wanted)
    steps: list[Step] = list(_stop_unwanted(state, set(wanted)))
    for situation in situations:
        steps += _settle(state, situation, now)
    steps += _fill(state, situations, now, around)
    return steps


def settled(state: ServiceState, now: float) -> bool:
    """The wanted generation is all there is, and has been watched for long enough."""
    return not state.paused and all(
        _is_filled(state, one, now) for one in _situations(state, wanted_places(state))
    )


def is_fit(state: ServiceState, member: Member) -> bool:
    """This run may stay. While a rollout is paused, what is started then is fit as well."""
    wanted = state.wanted
    if state.paused and member.generation == _generation_to_start(state):
        return True
    if member.generation != wanted.generation:
        return False
    if state.paused:
        return member.run.promoted
    return member.number > wanted.renew.get(member.place, 0)


def next_times(state: ServiceState, now: float) -> Iterator[float]:
    """All moments after which `decide` or a timer may have something to do."""
    for member in state.members.values():
        run = member.run
        if run.deadline is not None:
            yield run.deadline
        if run.phase in COMING:
            yield run.started + BRAKE
        if run.ready_since is not None and run.phase is Phase.READY:
            yield run.ready_since + state.policies.update.monitor
    yield from elastic_times(state)
    for number in wanted_places(state):
        due = state.place(number).due
        if due is not None:
            yield due


def next_wakeup(state: ServiceState, now: float) -> float | None:
    """The earliest of them that is still to come."""
    return min((at for at in next_times(state, now) if at > now), default=None)


def _situations(state: ServiceState, wanted: list[int]) -> list[_Situation]:
    """One pass over the members: this is asked at each event, also of pools of hundreds."""
    there: dict[int, list[Member]] = {number: [] for number in wanted}
    for member in state.members.values():
        if member.place in there:
            there[member.place].append(member)
    return [_situation(state, number, here) for number, here in there.items()]


def _situation(state: ServiceState, number: int, here: list[Member]) -> _Situation:
    if not here:
        return _Situation(number, None, [], [])
    active = [member for member in here if member.active]
    fit = [member for member in active if is_fit(state, member)]
    chosen = max(fit, key=lambda member: (is_serving(member), member.number), default=None)
    return _Situation(
        number,
        chosen,
        [member for member in active if member is not chosen],
        [member for member in here if not member.active],
    )


def _stop_unwanted(state: ServiceState, wanted: set[int]) -> Iterator[Step]:
    want = state.wanted
    for member in state.members.values():
        if member.place in wanted or not member.active:
            continue
        if state.size is not None and member.place in places_at_most(state):
            yield StopRun(member.number, "idle")
        else:
            yield StopRun(member.number, want.reason, want.drain, want.within)


def _settle(state: ServiceState, here: _Situation, now: float) -> Iterator[Step]:
    """Move the traffic of one place to its fit run, and end what it replaces."""
    for member in here.unfit:
        if not is_serving(member):
            yield StopRun(member.number, state.paused or "replaced", drain=False)
    if here.fit is None or here.fit.run.phase is not Phase.READY:
        return
    since = here.fit.run.ready_since
    watched = since is not None and now >= since + state.policies.update.monitor
    if here.fit.run.promoted or watched or not here.served_by_unfit:
        for member in here.unfit:
            if is_serving(member):  # first: never two with traffic
                yield StopRun(member.number, "replaced")
        if not here.fit.run.promoted:
            yield PromoteRun(here.fit.number)


def _fill(
    state: ServiceState, places: list[_Situation], now: float, around: Circumstances
) -> Iterator[Step]:
    """Begin runs for places without a fit one, within all limits."""
    starts = min(_free_starts(state, now), around.tokens) if around.may_start else 0
    moves = _free_moves(state, places, now)
    generation = _generation_to_start(state)
    for here in places:
        if here.fit is not None or here.number in around.occupied:
            continue
        if here.served_by_unfit:
            if moves <= 0 or state.paused or not _may_be_moved(state, here):
                continue
            moves -= 1
            if not state.policies.update.start_first:
                yield from (StopRun(member.number, "replaced") for member in here.unfit)
                continue
        elif not _may_be_filled(state, here):
            continue
        if starts > 0:
            starts -= 1
            yield StartRun(here.number, generation)


def _generation_to_start(state: ServiceState) -> int:
    """While a rollout is paused, what crashes comes back as it was."""
    paused_on = state.fallback if state.paused else None
    return state.wanted.generation if paused_on is None else paused_on


def _may_be_moved(state: ServiceState, here: _Situation) -> bool:
    """Another run serves here: may its successor be started, or is the last one not judged yet?"""
    return not _has_failed(state, here.number) and _are_judged(here)


def _are_judged(here: _Situation) -> bool:
    """No run is ending unasked: that may mean backoff, or the end of a rollout."""
    return all(member.run.requested for member in here.ending)


def _may_be_filled(state: ServiceState, here: _Situation) -> bool:
    """Nobody serves here: may a run be started at once?

    A run that was asked to end, maybe a moment ago, is no obstacle, unless two
    at once are forbidden.
    """
    if state.place(here.number).standing is not Standing.CLEAR:
        return False
    if (here.ending or here.unfit) and not state.policies.update.start_first:
        return False
    return _are_judged(here)


def _free_starts(state: ServiceState, now: float) -> int:
    coming = [
        member
        for member in state.members.values()
        if member.run.phase in COMING and now < member.run.started + BRAKE
    ]
    return state.policies.update.start_parallelism - len(coming)


def _free_moves(state: ServiceState, places: list[_Situation], now: float) -> int:
    """How many more places the rollout may touch: one is done when its old run is gone."""
    moving = [
        here
        for here in places
        if not _is_filled(state, here, now)
        and (here.fit is not None or not here.served_by_unfit)
        and not (state.policies.update.goes_on and _has_failed(state, here.number))
    ]
    return state.policies.update.parallelism - len(moving)


def _has_failed(state: ServiceState, number: int) -> bool:
    """Its last run ended badly: it is tried again later, or not at all."""
    return state.place(number).standing is not Standing.CLEAR


def has_gone_on(state: ServiceState) -> bool:
    """A rollout that goes on is through, but for places where it has failed."""
    numbers = wanted_places(state)
    failed = {number for number in numbers if _has_failed(state, number)}
    left = _situations(state, [number for number in numbers if number not in failed])
    through = all(here.fit and is_serving(here.fit) and not here.unfit for here in left)
    return state.policies.update.goes_on and bool(failed) and through


def _is_filled(state: ServiceState, here: _Situation, now: float) -> bool:
    """A fit run serves, was watched for long enough, and is alone."""
    if here.fit is None or not is_serving(here.fit) or here.unfit or here.ending:
        return False
    since = here.fit.run.ready_since
    return since is not None and now >= since + state.policies.update.monitor
