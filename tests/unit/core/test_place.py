from itertools import product

import pytest

from kettlingard.core.backoff import RestartPolicy, delay_before
from kettlingard.core.end import End
from kettlingard.core.place import (
    EVENTS,
    TABLE,
    Forgiven,
    Hastened,
    Mended,
    Place,
    RunEnded,
    RunServes,
    Standing,
    step,
)
from kettlingard.core.vocabulary import TimerFired

POLICY = RestartPolicy(
    delay=1, max_delay=30, burst=3, interval=120, retry_after=300, stable_after=30
)


def crash(at, **known):
    return RunEnded(at, End(at, known.pop("code", 1), None, **known))


def live(*events, policy=POLICY, place=None):
    place = place or Place()
    for event in events:
        place = step(place, event, policy)
    return place


@pytest.mark.parametrize(("standing", "event"), list(product(Standing, EVENTS)))
def test_every_cell_is_decided(standing, event):
    assert event in TABLE[standing]


def test_the_first_end_restarts_at_once_then_the_delay_doubles():
    assert [delay_before(n, POLICY, 0.5) for n in range(5)] == [0, 1, 2, 4, 8]


def test_the_delay_has_an_end_and_a_spread_of_a_fifth():
    assert delay_before(10_000, POLICY, 0.5) == 30
    assert delay_before(1, POLICY, 0.0) == 0.8
    assert delay_before(1, POLICY, 1.0) == pytest.approx(1.2)


def test_in_a_storm_even_the_first_end_waits_for_the_longest_delay():
    assert [delay_before(n, POLICY, 0.5, storm=True) for n in (0, 1, 9)] == [30, 30, 30]
    ended = RunEnded(10, End(10, 1, None), storm=True)
    assert live(ended).due == 40
    assert live(ended).reason.startswith("exit 1 (most services are in backoff")
    assert live(ended, Hastened(12)).due == 12


def test_a_crash_is_tried_again():
    place = live(crash(10))
    assert (place.standing, place.due, place.restarts) == (Standing.BACKOFF, 10, 1)
    assert live(TimerFired(10), place=place).standing is Standing.CLEAR


def test_a_crash_loop_ends_in_failed_and_one_slow_try():
    place = live(*(event for at in range(3) for event in (crash(at), TimerFired(at))), crash(3))
    assert (place.standing, place.due) == (Standing.FAILED, 303)
    assert place.reason == "exit 1 (4 ends in 120 s)"
    place = live(TimerFired(303), crash(304), place=place)
    assert (place.standing, place.due) == (Standing.FAILED, 604)


def test_slow_failures_never_use_up_the_limit():
    place = live(*(event for n in range(20) for event in (crash(n * 100), TimerFired(n * 100))))
    assert place.standing is Standing.CLEAR


def test_retry_after_zero_means_never():
    policy = RestartPolicy(burst=1, retry_after=0)
    place = live(crash(0), TimerFired(0), crash(1), policy=policy)
    assert (place.standing, place.due) == (Standing.FAILED, None)


def test_a_stable_run_forgets_what_was_before():
    place = live(crash(0), TimerFired(0), RunServes(1))
    assert place.due == 31
    place = live(TimerFired(31), place=place)
    assert (place.attempt, place.ends, place.restarts) == (0, (), 1)


def test_an_end_that_was_asked_for_counts_nothing():
    place = live(crash(1, requested=True))
    assert (place.standing, place.restarts) == (Standing.CLEAR, 0)


def test_exit_78_is_final():
    place = live(crash(1, code=78))
    assert (place.standing, place.due) == (Standing.FAILED, None)


def test_a_permanent_error_is_final_at_once():
    place = live(crash(1, error="kettlingar is too old", permanent=True))
    assert (place.standing, place.reason) == (Standing.FAILED, "kettlingar is too old")


def test_the_same_error_twice_is_final():
    said = {"error": "ImportError: x", "step": "import"}
    place = live(crash(1, **said), TimerFired(1), crash(2, **said))
    assert (place.standing, place.due) == (Standing.FAILED, None)
    assert place.reason == "the same twice: ImportError: x"


def test_two_different_errors_are_tried_again():
    one, two = ({"error": f"ImportError: {name}", "step": "import"} for name in "xy")
    assert live(crash(1, **one), TimerFired(1), crash(2, **two)).standing is Standing.BACKOFF


def test_what_fails_after_its_import_may_work_later():
    said = {"error": "ConnectionRefusedError: the database", "step": "init"}
    place = live(crash(1, **said), TimerFired(1), crash(2, **said))
    assert place.standing is Standing.BACKOFF


def test_on_failure_lets_a_good_end_be():
    policy = RestartPolicy(restart="on-failure")
    assert live(crash(1, code=0), policy=policy).standing is Standing.ENDED
    assert live(crash(1, code=1), policy=policy).standing is Standing.BACKOFF


def test_a_good_status_after_our_own_kill_is_no_good_end():
    policy = RestartPolicy(restart="on-failure")
    assert live(crash(1, code=0, reason="watchdog"), policy=policy).standing is Standing.BACKOFF


def test_restart_no_ends_in_exited_or_failed():
    policy = RestartPolicy(restart="no")
    assert live(crash(1, code=0), policy=policy).standing is Standing.ENDED
    assert live(crash(1, code=1), policy=policy).standing is Standing.FAILED


def test_a_person_forgives_everything():
    failed = live(crash(1, code=78))
    place = live(Forgiven(2), place=failed)
    assert (place.standing, place.ends, place.restarts) == (Standing.CLEAR, (), 1)


def test_other_sources_are_worth_one_try_even_of_what_was_given_up():
    failed = live(crash(1, code=78))
    tried = live(Mended(2), place=failed)
    assert (tried.standing, tried.due, tried.probing) == (Standing.CLEAR, None, True)
    assert live(crash(3, code=78), place=tried).standing is Standing.FAILED
    assert live(Hastened(2), place=failed) == failed
    assert live(Mended(2), place=failed, policy=RestartPolicy(restart="no")) == failed


def test_what_was_waited_for_shortens_a_backoff():
    place = live(crash(0), TimerFired(0), crash(1), Hastened(1.5))
    assert (place.standing, place.due) == (Standing.BACKOFF, 1.5)
