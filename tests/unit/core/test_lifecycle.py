from itertools import product

import pytest

from kettlingard.core.lifecycle import DUMP_TIME, KILL_AGAIN, TABLE, begin, step
from kettlingard.core.run import RunPolicy
from kettlingard.core.vocabulary import (
    EVENTS,
    Action,
    BecameReady,
    Drained,
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

POLICY = RunPolicy(timeout_start=30, timeout_stop=30, drain_timeout=20, watchdog=10)
READY = [Spawned(0), BecameReady(1), Promoted(1)]


def live(*events, policy=POLICY):
    """A run that began at 0 and had these events; all actions after SPAWN."""
    run, actions = begin(0, policy)
    assert actions == (Action.SPAWN,)
    done = []
    for event in events:
        run, actions = step(run, event, policy)
        done += actions
    return run, done


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, EVENTS)))
def test_every_cell_is_decided(phase, event):
    assert event in TABLE[phase]


def test_a_run_gets_traffic_when_it_is_ready_and_promoted():
    assert live(Spawned(0), BecameReady(1))[1] == []
    assert live(*READY)[1] == [Action.ADMIT]
    assert live(Spawned(0), Promoted(0), BecameReady(1))[1] == [Action.ADMIT]


def test_promotion_twice_admits_once():
    assert live(*READY, Promoted(2))[1] == [Action.ADMIT]


def test_readiness_ends_the_start_timer():
    assert live(*READY)[0].deadline is None


def test_a_start_that_takes_too_long_is_looked_at_and_then_killed():
    run, done = live(Spawned(0), TimerFired(30), TimerFired(30 + DUMP_TIME))
    assert done == [Action.DUMP_STACKS, Action.KILL]
    assert (run.phase, run.reason) == (Phase.KILLING, "start-timeout")


def test_a_start_may_be_extended_ten_times_its_timeout_in_all():
    assert live(Spawned(0), Extended(20, 60))[0].deadline == 80
    assert live(Spawned(0), Extended(20, 1e9))[0].deadline == 300


def test_a_process_that_could_not_be_made_ends_with_the_step_that_was_in_the_way():
    run, done = live(SpawnFailed(0, "exec", "No such file or directory"))
    assert (run.phase, done) == (Phase.EXITED, [Action.SWEEP])
    assert run.end.cause == "spawn:exec: No such file or directory"


def test_last_words_explain_the_end():
    run, _ = live(
        Spawned(0), Reported(1, "ModuleNotFoundError: x", "a.py:3", True), Exited(2, 1, None)
    )
    assert (run.end.error, run.end.where, run.end.permanent) == (
        "ModuleNotFoundError: x",
        "a.py:3",
        True,
    )
    assert run.end.cause == "ModuleNotFoundError: x"
    assert not run.end.requested


def test_a_worker_that_said_why_it_fails_but_does_not_end_is_killed():
    run, _ = live(Spawned(0), Reported(1, "no"))
    assert run.deadline == 6


def test_a_stop_drains_then_quits():
    run, done = live(*READY, StopWanted(5, "stop"))
    assert done[1:] == [Action.WITHDRAW, Action.DRAIN]
    assert (run.phase, run.deadline) == (Phase.DRAINING, 25)
    run, done = live(*READY, StopWanted(5, "stop"), Drained(6), Exited(7, 0, None))
    assert done[3:] == [Action.QUIT, Action.SWEEP]
    assert run.end.requested


def test_a_drain_ends_at_its_deadline():
    run, done = live(*READY, StopWanted(5, "stop"), TimerFired(25))
    assert (run.phase, done[-1], run.deadline) == (Phase.STOPPING, Action.QUIT, 33)


def test_a_worker_that_ignores_all_is_killed_exactly_at_the_deadline():
    events = [StopWanted(5, "stop"), TimerFired(25), TimerFired(33), TimerFired(34.5)]
    run, done = live(*READY, *events)
    assert done[-2:] == [Action.SIGNAL, Action.DUMP_STACKS]
    assert run.deadline == 35
    assert step(run, TimerFired(35), POLICY)[1] == (Action.KILL,)


def test_without_a_drain_what_is_in_flight_is_cut():
    assert live(*READY, StopWanted(5, "stop", drain=False))[1][1:] == [Action.WITHDRAW, Action.QUIT]
    no_drain = RunPolicy(drain_timeout=0)
    assert live(*READY, StopWanted(5, "stop"), policy=no_drain)[0].phase is Phase.STOPPING


def test_a_second_stop_makes_the_first_one_shorter_never_longer():
    run, _ = live(*READY, StopWanted(5, "stop"), StopWanted(6, "stop", within=5))
    assert (run.stop_by, run.deadline) == (11, 9)
    run, _ = live(*READY, StopWanted(5, "stop", within=3), StopWanted(6, "stop", within=100))
    assert run.stop_by == 8


def test_a_second_stop_without_drain_cuts_a_drain():
    run, done = live(*READY, StopWanted(5, "stop"), StopWanted(6, "stop", drain=False))
    assert (run.phase, done[-1]) == (Phase.STOPPING, Action.QUIT)


def test_a_run_that_is_still_importing_is_stopped_by_signal():
    run, done = live(Spawned(0), StopWanted(1, "stop"))
    assert (run.phase, done) == (Phase.STOPPING, [Action.QUIT, Action.SIGNAL])


def test_a_run_that_nobody_wants_before_it_exists_is_killed_when_it_appears():
    run, done = live(StopWanted(0, "stop"), Spawned(1), Exited(1, None, 9))
    assert done == [Action.SIGNAL, Action.KILL, Action.SWEEP]
    assert run.end.requested


def test_missed_watchdogs_withdraw_and_dump_before_they_kill():
    missed = [WatchdogMissed(10), WatchdogMissed(20), WatchdogMissed(30)]
    run, done = live(*READY, *missed)
    assert (run.phase, done[1:]) == (Phase.UNRESPONSIVE, [Action.WITHDRAW, Action.DUMP_STACKS])
    run, done = live(*READY, *missed, TimerFired(40), Exited(40, None, 9))
    assert done[3:] == [Action.KILL, Action.SWEEP]
    assert (run.end.reason, run.end.requested) == ("watchdog", False)


def test_an_answer_in_between_starts_the_count_again():
    events = [WatchdogMissed(1), WatchdogMissed(2), WatchdogAnswered(3), WatchdogMissed(4)]
    assert live(*READY, *events)[0].phase is Phase.READY


def test_a_worker_that_answers_again_gets_traffic_again():
    missed = [WatchdogMissed(10), WatchdogMissed(20), WatchdogMissed(30)]
    run, done = live(*READY, *missed, WatchdogAnswered(35))
    assert (run.dispatchable, run.misses, done[-1]) == (True, 0, Action.ADMIT)


def test_a_watchdog_that_only_reports_kills_nobody():
    policy = RunPolicy(watchdog_failures=1, watchdog_restarts=False)
    run, done = live(*READY, WatchdogMissed(10), TimerFired(20), policy=policy)
    assert (run.phase, Action.KILL in done) == (Phase.UNRESPONSIVE, False)


def test_a_killed_process_that_stays_is_reported_once_and_killed_again():
    run, done = live(
        Spawned(0), TimerFired(30), TimerFired(30.5), TimerFired(35.5), TimerFired(40.5)
    )
    assert done.count(Action.KILL) == 3
    assert done.count(Action.REPORT_STUCK) == 1
    assert (run.stuck, run.deadline) == (True, 40.5 + KILL_AGAIN)


def test_an_end_out_of_the_blue_withdraws_and_sweeps():
    run, done = live(*READY, Exited(9, None, 11))
    assert done[1:] == [Action.WITHDRAW, Action.SWEEP]
    assert str(run.end) == "SIGSEGV, 9.00 s after start"


@pytest.mark.parametrize("event", EVENTS)
def test_nothing_happens_to_the_dead(event):
    run, _ = live(*READY, Exited(9, 0, None))
    arguments = {
        SpawnFailed: (1, "exec", "x"), Extended: (1, 1.0), Reported: (1, "x"),
        StopWanted: (1, "x"), Exited: (1, 0, None),
    }  # fmt: skip
    assert step(run, event(*arguments.get(event, (1,))), POLICY) == (run, ())
