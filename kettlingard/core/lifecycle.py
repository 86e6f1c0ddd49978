"""The life of one run (one process) as a table.

SPAWNING -> STARTING -> READY -> DRAINING -> STOPPING -> EXITED is the good day;
READY <-> UNRESPONSIVE is the watchdog's; KILLING is where patience has ended.
A run never comes back: what its end means for the place it filled is decided
in place.py, who wants it to be there in reconcile.py.

`step` reads no clock and touches no process: time comes in with the event, a
deadline is part of the state (a stale timer cannot fire), effects go out as
actions. `promoted` is reconcile's word that this run may get traffic; it is
dispatchable when it is promoted and READY, and only then.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from .end import End
from .run import Run, RunPolicy
from .vocabulary import (
    Action,
    BecameReady,
    Drained,
    Event,
    Exited,
    Extended,
    Phase,
    Promoted,
    Reported,
    Spawned,
    SpawnFailed,
    StopWanted,
    TimerFired,
    WatchdogAnswered,
    WatchdogMissed,
)

SIGNAL_BEFORE = 2.0  # seconds that the stop signal comes before KILL
DUMP_TIME = 0.5  # for stacks to reach the log before KILL
KILL_AGAIN = 5.0  # a killed process that is still there gets it again
EXTENSIONS = 10  # a start may take this many times timeout_start in all
LAST_WORDS = 5.0  # a worker that has said Failed ends by itself within this

Step = tuple[Run, tuple[Action, ...]]
Cell = Callable[[Run, Event, RunPolicy], Step]


def begin(at: float, policy: RunPolicy) -> Step:
    """A new run."""
    deadline = at + policy.timeout_start
    return Run(Phase.SPAWNING, started=at, since=at, deadline=deadline), (Action.SPAWN,)


def step(run: Run, event: Event, policy: RunPolicy) -> Step:
    """What `event` makes of `run`, and what is to be done."""
    return TABLE[run.phase][type(event)](run, event, policy)


def _to(run: Run, phase: Phase, at: float, deadline: float | None) -> Run:
    return replace(run, phase=phase, since=at, deadline=deadline)


def _withdrawal(run: Run) -> tuple[Action, ...]:
    return (Action.WITHDRAW,) if run.dispatchable else ()


def _stay(run: Run, e: Event, p: RunPolicy) -> Step:
    return run, ()


# --- coming up


def _spawned(run: Run, e: Event, p: RunPolicy) -> Step:
    return _to(run, Phase.STARTING, e.at, run.deadline), ()


def _never_was(run: Run, e: Event, p: RunPolicy) -> Step:
    assert isinstance(e, SpawnFailed)
    reason = run.reason or f"spawn:{e.step}: {e.error}"
    return _ended(replace(run, reason=reason), End(e.at, None, None), e.at)


def _ready(run: Run, e: Event, p: RunPolicy) -> Step:
    run = replace(_to(run, Phase.READY, e.at, None), ready_since=e.at)
    return run, (Action.ADMIT,) if run.promoted else ()


def _promoted(run: Run, e: Event, p: RunPolicy) -> Step:
    return replace(run, promoted=True), ()


def _admit(run: Run, e: Event, p: RunPolicy) -> Step:
    return replace(run, promoted=True), () if run.promoted else (Action.ADMIT,)


def _extend(run: Run, e: Event, p: RunPolicy) -> Step:
    assert isinstance(e, Extended)
    latest = run.started + EXTENSIONS * p.timeout_start
    return replace(run, deadline=min(latest, e.at + max(0.0, e.seconds))), ()


def _last_words(run: Run, e: Event, p: RunPolicy) -> Step:
    """It knows why it cannot start: an end that follows is explained by this."""
    assert isinstance(e, Reported)
    return replace(run, report=e, deadline=_earlier(run.deadline, e.at + LAST_WORDS)), ()


def _note(run: Run, e: Event, p: RunPolicy) -> Step:
    assert isinstance(e, Reported)
    return replace(run, report=e), ()


def _too_late(run: Run, e: Event, p: RunPolicy) -> Step:
    """Not ready in time: look where it hangs, then kill."""
    run = replace(run, reason="" if run.report else "start-timeout")
    return _to(run, Phase.KILLING, e.at, e.at + DUMP_TIME), (Action.DUMP_STACKS,)


def _unborn(run: Run, e: Event, p: RunPolicy) -> Step:
    """A stop before there is a process: it is killed as soon as it appears.

    Until then the signal, and at last KILL, go to the commands that prepare it.
    """
    assert isinstance(e, StopWanted)
    run = _asked(run, e, p)
    return _to(run, Phase.KILLING, e.at, max(e.at, run.stop_by)), (Action.SIGNAL,)


def _stillborn(run: Run, e: Event, p: RunPolicy) -> Step:
    """It appeared when nobody wanted it any more."""
    return replace(run, kills=1, deadline=e.at + KILL_AGAIN), (Action.KILL,)


# --- watchdog


def _missed(run: Run, e: Event, p: RunPolicy) -> Step:
    run = replace(run, misses=run.misses + 1)
    if run.misses < p.watchdog_failures:
        return run, ()
    actions = (*_withdrawal(run), Action.DUMP_STACKS)
    return _to(run, Phase.UNRESPONSIVE, e.at, e.at + p.watchdog), actions


def _answered(run: Run, e: Event, p: RunPolicy) -> Step:
    return replace(run, misses=0), ()


def _recovered(run: Run, e: Event, p: RunPolicy) -> Step:
    run = replace(_to(run, Phase.READY, e.at, None), misses=0)
    return run, (Action.ADMIT,) if run.promoted else ()


def _given_up(run: Run, e: Event, p: RunPolicy) -> Step:
    """No drain: its loop is dead. Its stacks were dumped when it became unresponsive."""
    if not p.watchdog_restarts:
        return replace(run, deadline=None), ()
    run = replace(run, reason="watchdog", kills=1)
    return _to(run, Phase.KILLING, e.at, e.at + KILL_AGAIN), (Action.KILL,)


# --- going down


def _stop_ready(run: Run, e: Event, p: RunPolicy) -> Step:
    assert isinstance(e, StopWanted)
    if not e.drain or p.drain_timeout <= 0:
        return _stop(run, e, p)
    run = _asked(run, e, p)
    deadline = min(e.at + p.drain_timeout, run.stop_by)
    actions = (*_withdrawal(run), Action.DRAIN)
    return _to(run, Phase.DRAINING, e.at, deadline), actions


def _stop(run: Run, e: Event, p: RunPolicy) -> Step:
    """Ask it to end without a drain."""
    assert isinstance(e, StopWanted)
    withdrawal = _withdrawal(run)
    run, actions = _quit(_asked(run, e, p), e, p)
    return run, (*withdrawal, *actions)


def _stop_starting(run: Run, e: Event, p: RunPolicy) -> Step:
    """It may be deep in an import and hear nothing but the signal."""
    run, actions = _stop(run, e, p)
    run = replace(run, signalled=True, deadline=max(e.at, run.stop_by - DUMP_TIME))
    return run, (*actions, Action.SIGNAL)


def _asked(run: Run, e: StopWanted, p: RunPolicy) -> Run:
    stop_by = min(run.stop_by, e.at + min(p.timeout_stop, e.within))
    return replace(run, requested=True, reason=e.reason, stop_by=stop_by)


def _quit(run: Run, e: Event, p: RunPolicy) -> Step:
    """Drained, or the time for it is over: `shutdown()` now."""
    deadline = max(e.at, run.stop_by - SIGNAL_BEFORE)
    return _to(run, Phase.STOPPING, e.at, deadline), (Action.QUIT,)


def _hurry(run: Run, e: Event, p: RunPolicy) -> Step:
    """A second stop can only make the first one shorter."""
    assert isinstance(e, StopWanted)
    run = replace(run, stop_by=min(run.stop_by, e.at + e.within))
    if run.phase is Phase.DRAINING and not e.drain:
        return _quit(run, e, p)
    latest = run.stop_by - (DUMP_TIME if run.signalled else SIGNAL_BEFORE)
    return replace(run, deadline=_earlier(run.deadline, max(e.at, latest))), ()


def _insist(run: Run, e: Event, p: RunPolicy) -> Step:
    """First the signal; then its stacks, since somebody will ask what it was doing."""
    if not run.signalled:
        deadline = max(e.at, run.stop_by - DUMP_TIME)
        return replace(run, signalled=True, deadline=deadline), (Action.SIGNAL,)
    deadline = max(e.at, run.stop_by)
    return _to(run, Phase.KILLING, e.at, deadline), (Action.DUMP_STACKS,)


def _sooner(run: Run, e: Event, p: RunPolicy) -> Step:
    """Whoever is in more of a hurry than the first one who asked; KILL once sent is enough."""
    assert isinstance(e, StopWanted)
    if run.kills:
        return run, ()
    return replace(run, deadline=_earlier(run.deadline, e.at + max(0.0, e.within))), ()


def _kill(run: Run, e: Event, p: RunPolicy) -> Step:
    run = replace(run, kills=run.kills + 1, deadline=e.at + KILL_AGAIN)
    actions = (Action.KILL, Action.REPORT_STUCK) if run.kills == 2 else (Action.KILL,)
    return run, actions


def _exited(run: Run, e: Event, p: RunPolicy) -> Step:
    assert isinstance(e, Exited)
    return _ended(run, End(e.at, e.code, e.signal), e.at)


def _ended(run: Run, end: End, at: float) -> Step:
    end = replace(
        end,
        requested=run.requested,
        reason=run.reason,
        was_ready=run.ready_since is not None,
        after=at - run.started,
    )
    if run.report is not None:
        report = run.report
        end = replace(
            end,
            error=report.error,
            where=report.where,
            permanent=report.permanent,
            step=report.step,
        )
    actions = (*_withdrawal(run), Action.SWEEP)
    return replace(_to(run, Phase.EXITED, at, None), end=end), actions


def _earlier(a: float | None, b: float) -> float:
    return b if a is None else min(a, b)


# Every cell is decided; tests/unit/core/test_lifecycle.py fails on a missing one.
_ROWS: dict[type[Event], tuple[Cell, ...]] = {
    #                   SPAWNING    STARTING        READY        UNRESPONSIVE DRAINING  STOPPING  KILLING      EXITED
    Spawned:          (_spawned,   _stay,          _stay,       _stay,       _stay,    _stay,    _stillborn,  _stay),
    SpawnFailed:      (_never_was, _never_was,     _stay,       _stay,       _stay,    _stay,    _never_was,  _stay),
    BecameReady:      (_stay,      _ready,         _stay,       _stay,       _stay,    _stay,    _stay,       _stay),
    Promoted:         (_promoted,  _promoted,      _admit,      _promoted,   _stay,    _stay,    _stay,       _stay),
    Extended:         (_stay,      _extend,        _stay,       _stay,       _stay,    _stay,    _stay,       _stay),
    Reported:         (_last_words, _last_words,   _note,       _note,       _note,    _note,    _note,       _stay),
    TimerFired:       (_too_late,  _too_late,      _stay,       _given_up,   _quit,    _insist,  _kill,       _stay),
    WatchdogMissed:   (_stay,      _stay,          _missed,     _stay,       _stay,    _stay,    _stay,       _stay),
    WatchdogAnswered: (_stay,      _stay,          _answered,   _recovered,  _stay,    _stay,    _stay,       _stay),
    StopWanted:       (_unborn,    _stop_starting, _stop_ready, _stop,       _hurry,   _hurry,   _sooner,     _stay),
    Drained:          (_stay,      _stay,          _stay,       _stay,       _quit,    _stay,    _stay,       _stay),
    Exited:           (_exited,    _exited,        _exited,     _exited,     _exited,  _exited,  _exited,     _stay),
}  # fmt: skip
TABLE: dict[Phase, dict[type[Event], Cell]] = {
    phase: {event: row[number] for event, row in _ROWS.items()}
    for number, phase in enumerate(Phase)
}
