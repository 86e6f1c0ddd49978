"""One service as a pure actor: events and time in, the next state and effects out.

    happen(state, number, event)    something happened to a run
    tick(state, now)                time has passed: timers, then reconcile
    want(state, ...)                somebody wants something else

The shell (kettlingard/services/service.py) stores the state and performs the effects.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from . import lifecycle
from . import place as places
from .elastic import resized, retired
from .place import Forgiven, Hastened, Mended, Place, RunEnded, RunServes
from .reconcile import PromoteRun, StartRun, Step, StopRun, decide, settled, wanted_places
from .state import Circumstances, Member, Policies, ServiceState, Wanted, is_serving
from .vocabulary import Action, Event, Phase, Promoted, StopWanted, TimerFired

Jitter = Callable[[], float]

ROUNDS = 64  # `tick` ends after so many rounds of decisions; the rest waits for the next one


class Effect(Struct, frozen=True):
    """Something to do for a run; the member is as it was when this was decided."""

    action: Action
    member: Member


class Moved(Struct, frozen=True):
    """A run came into another phase: one line of history."""

    member: Member
    before: Phase | None  # None: it is new
    after: Phase


Output = Effect | Moved
Result = tuple[ServiceState, list[Output]]


def happen(
    state: ServiceState, number: int, event: Event, jitter: float = 0.5, *, storm: bool = False
) -> Result:
    """Feed one event of run `number`; an event of a run that is gone is dropped."""
    member = state.members.get(number)
    if member is None:
        return state, []
    run, actions = lifecycle.step(member.run, event, state.policies.run)
    after = replace(member, run=run)
    output: list[Output] = []
    if run.phase is not member.run.phase:
        output.append(Moved(after, member.run.phase, run.phase))
    output += [Effect(action, after) for action in actions]
    if run.phase is Phase.EXITED:
        assert run.end is not None
        return _bury(state, member, after, RunEnded(event.at, run.end, jitter, storm)), output
    state = _with_member(state, after)
    if is_serving(after) and not is_serving(member):
        state = _at_place(state, after.place, RunServes(event.at))
    return state, output


def tick(
    state: ServiceState, now: float, around: Circumstances, jitter: Jitter = lambda: 0.5
) -> Result:
    """Fire what is due, then do all that `decide` says, until nothing is left to do."""
    state, output = _timers(state, now, jitter)
    state = retired(resized(state, around.load, now), around.wear, now)
    for _ in range(ROUNDS):
        steps = decide(state, now, around)
        if not steps:
            break
        for step in steps:
            state, more = _perform(state, step, now, jitter)
            output += more
            around = _one_token_less(around, step)
    return _come_true(state, now), output


def _come_true(state: ServiceState, now: float) -> ServiceState:
    """A rollout ends when all is as it was to be, also one that stands still: by crashes, say."""
    if not state.paused and state.fallback is None:
        return state
    going_on = replace(state, paused="")
    return replace(going_on, fallback=None) if settled(going_on, now) else state


def want(state: ServiceState, wanted: Wanted, *, forgive: bool, now: float) -> ServiceState:
    """Somebody wants something else; with `forgive`, what failed before is tried again."""
    state = replace(state, wanted=wanted)
    if forgive:
        for number in state.places:
            state = _at_place(state, number, Forgiven(now))
    return state


def hasten(state: ServiceState, event: Hastened | Mended) -> ServiceState:
    """There is a reason to try now what has failed; the record of it stays."""
    for number in state.places:
        state = _at_place(state, number, event)
    return state


def renew(state: ServiceState, generation: int, policies: Policies, now: float) -> ServiceState:
    """A new generation: replaced place by place, where there is something to protect."""
    serves = [member for member in state.members.values() if is_serving(member)]
    fallback = state.fallback if state.fallback is not None else state.wanted.generation
    wanted = replace(state.wanted, generation=generation, renew={})
    state = replace(state, policies=policies, paused="", fallback=fallback if serves else None)
    return want(state, wanted, forgive=True, now=now)


def adjust(state: ServiceState, generation: int, policies: Policies) -> ServiceState:
    """A definition whose changes need no new process: runs of the wanted generation have it now."""
    before = state.wanted.generation
    members = {
        number: replace(member, generation=generation) if member.generation == before else member
        for number, member in state.members.items()
    }
    wanted = replace(state.wanted, generation=generation)
    return replace(state, wanted=wanted, members=members, policies=policies)


def retreat(state: ServiceState, policies: Policies, now: float) -> ServiceState:
    """Give a rollout up: what served before it goes on serving, as if nothing had been wanted."""
    assert state.fallback is not None
    wanted = replace(state.wanted, generation=state.fallback, renew={})
    state = replace(state, policies=policies, paused="", fallback=None)
    return want(state, wanted, forgive=True, now=now)


def _timers(state: ServiceState, now: float, jitter: Jitter) -> Result:
    output: list[Output] = []
    for number in list(state.members):
        while (member := state.members.get(number)) is not None and _is_due(member, now):
            state, more = happen(state, number, TimerFired(now), jitter())
            output += more
    for number, place in state.places.items():
        if place.due is not None and place.due <= now:
            state = _at_place(state, number, TimerFired(now))
    return state, output


def _is_due(member: Member, now: float) -> bool:
    return member.run.deadline is not None and member.run.deadline <= now


def _perform(state: ServiceState, step: Step, now: float, jitter: Jitter) -> Result:
    if isinstance(step, StartRun):
        return _start(state, step, now)
    if isinstance(step, PromoteRun):
        return happen(state, step.number, Promoted(now))
    assert isinstance(step, StopRun)
    event = StopWanted(now, step.reason, step.drain, step.within)
    return happen(state, step.number, event, jitter())


def _start(state: ServiceState, step: StartRun, now: float) -> Result:
    number = state.last_run + 1
    run, actions = lifecycle.begin(now, state.policies.run)
    member = Member(number, step.place, step.generation, run)
    moved = Moved(member, None, run.phase)
    state = replace(_with_member(state, member), last_run=number)
    return state, [moved, *(Effect(action, member) for action in actions)]


def _one_token_less(around: Circumstances, step: Step) -> Circumstances:
    return replace(around, tokens=around.tokens - 1) if isinstance(step, StartRun) else around


def _with_member(state: ServiceState, member: Member) -> ServiceState:
    return replace(state, members={**state.members, member.number: member})


def _at_place(state: ServiceState, number: int, event: Event) -> ServiceState:
    place: Place = places.step(state.place(number), event, state.policies.restart)
    return replace(state, places={**state.places, number: place})


def _bury(state: ServiceState, before: Member, after: Member, ended: RunEnded) -> ServiceState:
    """A run has ended: its place, or the rollout that it was part of, learns of it."""
    end = ended.end
    on_trial = not end.requested and _is_on_trial(state, before, ended.at)
    failed_update = on_trial and not state.policies.update.goes_on
    members = {n: member for n, member in state.members.items() if n != after.number}
    state = replace(state, members=members)
    if failed_update:
        state = replace(state, paused=f"/{after.place}: {end.cause}")
        place = replace(state.place(after.place), last_end=end)
        return replace(state, places={**state.places, after.place: place})
    return _at_place(state, after.place, ended)


def _is_on_trial(state: ServiceState, member: Member, now: float) -> bool:
    """This run is to replace something that served, and is not through with it."""
    if state.paused or member.place not in wanted_places(state):
        return False
    beside = [m for m in state.at_place(member.place) if is_serving(m) and m is not member]
    if not beside and state.fallback is None:
        return False
    since = member.run.ready_since
    watched = since is not None and now >= since + state.policies.update.monitor
    return member.generation == state.wanted.generation and not watched
