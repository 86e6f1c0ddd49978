"""A service as a whole: sentences, and a random walk that must never leave the rails."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kettlingard.core.place import Standing
from kettlingard.core.reconcile import next_wakeup, wanted_places
from kettlingard.core.state import Circumstances
from kettlingard.core.vocabulary import (
    COMING,
    Action,
    Exited,
    Phase,
    WatchdogAnswered,
    WatchdogMissed,
)
from kettlingard.core.words import Word, service_word
from tests.unit.core.walking import STEPS, act
from tests.unit.core.world import World


def test_a_wanted_service_comes_up_two_at_a_time():
    world = World(4)
    assert [n for action, n in world.done if action is Action.SPAWN] == [1, 2]
    world.bring_up()
    assert world.serving() == {1: 1, 2: 2, 3: 3, 4: 4}


def test_a_slow_start_holds_back_the_others_for_five_seconds_only():
    world = World(3)
    world.tick(5.1)
    assert len(world.state.members) == 3


def test_nothing_starts_while_a_dependency_is_not_ready():
    world = World(0)
    world.around = Circumstances(may_start=False)
    world.scale(2)
    assert not world.state.members
    world.around = Circumstances()
    world.tick()
    assert len(world.state.members) == 2


def test_a_crash_is_restarted_at_once_and_then_later():
    world = World()
    world.bring_up()
    world.crash()
    assert world.serving() == {}
    assert len(world.state.members) == 1
    world.crash()
    assert world.standing() is Standing.BACKOFF
    assert next_wakeup(world.state, world.now) == world.state.place(1).due
    world.tick(1)
    world.bring_up()
    assert world.serving() == {1: 3}


def test_a_crash_loop_is_failed_until_a_person_starts_it():
    world = World(burst=2, retry_after=0)
    for _ in range(3):
        world.crash()
        world.tick(20)
    assert world.standing() is Standing.FAILED
    world.tick(10_000)
    assert not world.state.members
    world.scale(1)
    assert len(world.state.members) == 1


def test_stop_drains_all_and_start_comes_back():
    world = World(2)
    world.bring_up()
    world.scale(0, reason="stop (uid 0)")
    assert len(world.members(Phase.DRAINING)) == 2
    world.end_draining()
    assert not world.state.members
    world.scale(2)
    world.bring_up()
    assert len(world.serving()) == 2


def test_scaling_down_stops_the_highest_numbers():
    world = World(3)
    world.bring_up()
    world.scale(1)
    assert world.serving() == {1: 1}


def test_one_instance_can_be_held_back():
    world = World(2)
    world.bring_up()
    world.scale(2, held_back=frozenset({1}))
    assert world.serving() == {2: 2}


def test_a_rolling_restart_always_serves_and_goes_one_by_one():
    world = World(2)
    world.bring_up()
    world.update()
    assert world.serving() == {1: 1, 2: 2}
    world.bring_up()
    assert world.serving() == {1: 1, 2: 2}, "the monitor has not elapsed"
    world.tick(1)
    assert world.serving() == {1: 3, 2: 2}
    assert not world.members(*COMING), "the next one waits for the old one to end"
    world.end_draining()
    world.bring_up()
    world.tick(1)
    world.end_draining()
    assert world.serving() == {1: 3, 2: 4}
    world.tick(1)
    assert world.state.fallback is None


def test_traffic_moves_in_one_step():
    world = World()
    world.bring_up()
    world.update()
    world.bring_up()
    del world.done[:]
    world.tick(1)
    assert world.done == [(Action.WITHDRAW, 1), (Action.DRAIN, 1), (Action.ADMIT, 2)]


def test_stop_first_never_runs_two_at_once():
    world = World(start_first=False)
    world.bring_up()
    world.update()
    assert [m.number for m in world.state.members.values()] == [1]
    world.end_draining()
    assert [m.number for m in world.state.members.values()] == [2]


def test_stop_first_waits_also_for_a_run_that_never_became_ready():
    world = World(start_first=False)
    world.update()
    assert [m.number for m in world.state.members.values()] == [1]
    world.end_draining()
    assert [m.number for m in world.state.members.values()] == [2]


def test_a_bad_update_pauses_and_the_old_one_goes_on_serving():
    world = World(2)
    world.bring_up()
    world.update()
    world.crash()
    assert world.serving() == {1: 1, 2: 2}
    assert world.state.paused == "/1: exit 1"
    world.tick(100)
    assert len(world.state.members) == 2


def test_what_crashes_while_an_update_is_paused_comes_back_as_it_was():
    world = World(2)
    world.bring_up()
    world.update()
    world.crash()
    world.crash(2)
    world.bring_up()
    assert len(world.serving()) == 2
    assert {m.generation for m in world.state.members.values()} == {1}


def test_a_bad_stop_first_update_restores_the_old_generation():
    world = World(start_first=False)
    world.bring_up()
    world.update()
    world.end_draining()
    world.crash()
    world.bring_up()
    assert [m.generation for m in world.state.members.values()] == [1]
    assert world.state.paused


def test_an_update_that_dies_while_it_is_watched_is_a_bad_one():
    world = World()
    world.bring_up()
    world.update()
    world.bring_up()
    world.tick(0.5)
    world.crash()
    assert world.serving() == {1: 1}
    assert world.state.paused


@pytest.mark.parametrize("start_first", [True, False])
def test_a_rollout_that_goes_on_renews_the_other_places_where_one_fails(start_first):
    world = World(3, start_first=start_first, goes_on=True, delay=10)
    world.bring_up()
    world.bring_up()
    world.tick(1)
    world.update()
    world.end_draining()
    for _ in range(2):  # the first unasked-for end is tried again at once
        world.crash()
    assert world.standing() is Standing.BACKOFF
    for _ in range(3):
        world.bring_up(only={2, 3})
        world.tick(1)
        world.end_draining()
    assert not world.state.paused
    generations = {m.place: m.generation for m in world.state.members.values()}
    assert generations == ({1: 1} if start_first else {}) | {2: 2, 3: 2}
    assert service_word(world.state) is Word.DEGRADED
    world.tick(12)
    world.bring_up()
    world.tick(1)
    world.end_draining()
    assert {m.generation for m in world.state.members.values()} == {2}
    assert service_word(world.state) is Word.READY


def test_while_a_run_on_trial_is_being_killed_no_other_one_is_tried():
    world = World()
    world.bring_up()
    world.update()
    world.tick(30)  # its start takes too long
    assert [m.run.phase for m in world.state.members.values()] == [Phase.READY, Phase.KILLING]
    world.crash(code=9)
    assert (world.serving(), bool(world.state.paused)) == ({1: 1}, True)


def test_a_pause_ends_when_what_was_to_be_has_come_about_in_another_way():
    world = World(2)
    world.bring_up()
    world.tick(1)
    world.renew_place(1)
    world.crash()
    world.crash()
    world.bring_up()
    assert world.state.paused, "the new one has not been watched yet"
    world.tick(1)
    assert not world.state.paused


def test_a_pause_ends_with_the_instances_that_it_was_about():
    world = World(2)
    world.bring_up()
    world.update()
    world.bring_up()
    world.tick(1)
    world.end_draining()
    world.crash(2)  # the second one's successor
    assert world.state.paused
    world.scale(1)
    world.end_draining()
    world.tick(1)
    assert (world.state.paused, world.state.fallback, world.serving()) == ("", None, {1: 3})


def test_the_next_update_ends_the_pause():
    world = World()
    world.bring_up()
    world.update()
    world.crash()
    world.update()
    world.bring_up()
    world.tick(1)
    assert world.serving() == {1: 3}
    assert not world.state.paused


def test_an_update_of_what_does_not_run_well_needs_no_ceremony():
    world = World()
    world.crash()
    world.crash()
    assert world.standing() is Standing.BACKOFF
    world.update()
    assert [m.generation for m in world.state.members.values()] == [2]
    world.crash()
    assert not world.state.paused


def test_one_instance_is_renewed_beside_itself():
    world = World(2)
    world.bring_up()
    world.tick(1)
    world.renew_place(1)
    world.bring_up()
    world.tick(1)
    assert world.serving() == {1: 3, 2: 2}


def test_what_crashes_after_a_renewal_has_failed_comes_back_once():
    world = World(2)
    world.bring_up()
    world.tick(1)
    world.renew_place(1)
    world.crash()
    assert (world.serving(), bool(world.state.paused)) == ({1: 1, 2: 2}, True)
    world.crash()
    assert [m.number for m in world.state.at_place(1)] == [4]
    world.bring_up()
    assert world.serving() == {1: 4, 2: 2}


def test_what_crashes_on_the_way_back_from_an_update_comes_back_once():
    world = World(2)
    world.bring_up()
    world.update()
    world.bring_up()
    world.tick(1)
    world.end_draining()
    world.retreat()
    world.end_draining()
    world.crash()
    assert (world.serving(), bool(world.state.paused)) == ({1: 3, 2: 2}, True)
    world.crash()
    world.bring_up()
    assert {m.place: m.generation for m in world.state.members.values()} == {1: 1, 2: 1}


def test_a_watchdog_kill_waits_for_its_judgement():
    world = World()
    world.bring_up()
    for _ in range(3):
        world.feed(1, WatchdogMissed)
    world.tick(10)
    assert [m.run.phase for m in world.state.members.values()] == [Phase.KILLING]
    world.feed(1, Exited, None, 9)
    assert world.state.place(1).restarts == 1


def test_a_stuck_process_keeps_its_number_and_another_one_is_used():
    world = World()
    world.tick(30)
    for _ in range(3):
        world.tick(6)
    assert wanted_places(world.state) == [2]
    assert {m.place for m in world.state.members.values()} == {1, 2}


@settings(max_examples=150, deadline=None)
@given(
    st.booleans(),
    st.booleans(),
    st.integers(1, 2),
    st.lists(st.tuples(STEPS, st.integers(0, 5)), max_size=50),
)
def test_whatever_happens_each_place_is_in_hand_and_none_serves_twice(first, on, parallel, walk):
    world = World(2, start_first=first, parallelism=parallel, goes_on=on, burst=3, retry_after=60)
    for step, pick in walk:
        act(world, step, pick)
    world.around = Circumstances()
    world.end_draining()
    world.scale(2)
    for _ in range(30):  # and when everything goes well from now on, it comes up
        world.bring_up()
        world.end_draining()
        for member in world.members(Phase.UNRESPONSIVE):
            world.feed(member.number, WatchdogAnswered)
        world.tick(5)
    assert len(world.serving()) == 2
