from kettlingard.core.state import Wanted
from kettlingard.core.wishes import redefined, renewed, started, stopped
from tests.unit.core.world import World


def test_a_start_fills_all_places_also_those_that_were_stopped():
    assert started(Wanted(held_back=frozenset({2})), 3) == Wanted(instances=3)


def test_one_stopped_instance_is_started_alone():
    before = Wanted(instances=3, held_back=frozenset({2, 3}))
    assert started(before, 3, [2]).held_back == {3}


def test_a_stop_of_all_and_of_one():
    assert stopped(Wanted(instances=3), "stop (uid 0)").instances == 0
    one = stopped(Wanted(instances=3), "stop (uid 0)", [2])
    assert (one.instances, one.held_back) == (3, {2})


def test_another_definition_has_its_number_of_instances_and_starts_nothing():
    assert redefined(Wanted(instances=4), 1).instances == 1
    assert redefined(Wanted(instances=0), 3).instances == 0


def test_a_restart_of_one_instance_replaces_what_it_has_now():
    world = World(2)
    world.bring_up()
    assert renewed(world.state, [2]).renew == {2: 2}
