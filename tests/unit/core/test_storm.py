from kettlingard.core.storm import is_storm
from tests.unit.core.world import World


def well():
    world = World()
    world.bring_up()
    return world


def in_backoff():
    world = World(delay=10)
    world.crash()
    world.crash()
    return world


def storm(*worlds):
    return is_storm(world.state for world in worlds)


def test_a_storm_is_when_more_than_half_of_the_services_are_in_backoff():
    four = [in_backoff() for _ in range(4)]
    assert storm(*four)
    assert storm(*four, *(well() for _ in range(3)))
    assert not storm(*four, *(well() for _ in range(4)))


def test_a_few_services_that_crash_are_no_storm():
    assert not storm(*(in_backoff() for _ in range(3)))


def test_what_nobody_wants_is_not_counted():
    assert storm(*(in_backoff() for _ in range(4)), *(World(0) for _ in range(9)))


def test_what_is_tried_again_has_left_the_backoff():
    worlds = [in_backoff() for _ in range(4)]
    worlds[0].tick(20)
    assert not storm(*worlds)


def test_what_ends_in_a_storm_is_tried_again_after_the_longest_delay():
    world = World(max_delay=30)
    world.bring_up()
    world.crash(storm=True)
    assert not world.state.members
    world.tick(29)
    assert not world.state.members
    world.tick(1.1)
    assert len(world.state.members) == 1
