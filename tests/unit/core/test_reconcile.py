from msgspec.structs import replace

from kettlingard.core.actor import adjust, retreat
from kettlingard.core.reconcile import decide, next_wakeup
from kettlingard.core.state import Circumstances
from tests.unit.core.world import World


def wakeup(world):
    return next_wakeup(world.state, world.now)


def test_what_starts_is_looked_at_when_the_brake_ends_and_at_its_deadline():
    world = World()
    assert wakeup(world) == 5
    world.tick(5)
    assert wakeup(world) == 30


def test_what_serves_is_looked_at_when_it_was_watched_and_when_it_is_stable():
    world = World(monitor=2.0)
    world.bring_up()
    assert wakeup(world) == 2
    world.tick(2)
    assert wakeup(world) == 30
    world.tick(28)
    assert wakeup(world) is None


def test_what_is_stopped_needs_no_look():
    world = World(0)
    assert wakeup(world) is None


def test_a_place_in_backoff_is_looked_at_at_its_next_try():
    world = World(delay=10)
    world.crash()
    world.crash()
    assert wakeup(world) == 10


def test_deciding_twice_decides_nothing_new():
    world = World(3)
    world.bring_up()
    world.update()
    world.bring_up()
    assert decide(world.state, world.now, Circumstances()) == []


def test_the_daemons_brake_holds_back_starts():
    world = World(0)
    world.around = Circumstances(tokens=1)
    world.scale(3)
    assert len(world.state.members) == 1


def test_what_is_bound_to_a_resting_service_ends_and_is_not_started():
    world = World(2)
    world.bring_up()
    world.around = replace(world.around, rest="bound to db", may_start=False)
    world.tick()
    world.end_draining()
    assert not world.state.members
    world.around = Circumstances()
    world.tick()
    world.bring_up()
    assert sorted(world.serving()) == [1, 2]


def test_a_definition_that_needs_no_new_process_keeps_all_runs():
    world = World(2)
    world.bring_up()
    before = world.serving()
    world.state = adjust(world.state, 2, world.policies)
    world.tick()
    assert world.serving() == before
    assert {member.generation for member in world.state.members.values()} == {2}


def test_a_rollout_that_is_given_up_leaves_what_served():
    world = World(2)
    world.bring_up()
    before = world.serving()
    world.update()
    world.crash()
    assert world.state.paused
    world.state = retreat(world.state, world.policies, world.now)
    world.tick()
    assert (world.serving(), world.state.fallback, world.state.paused) == (before, None, "")
