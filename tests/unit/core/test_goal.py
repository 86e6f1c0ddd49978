from kettlingard.core.goal import Outlook, until_ready, until_stopped
from kettlingard.core.words import service_word
from tests.unit.core.world import World


def outlook(world, goal=until_ready):
    return goal(world.state, service_word(world.state), world.now)


def test_a_start_is_done_when_all_serve():
    world = World(2)
    assert outlook(world) is Outlook.GOING
    world.bring_up()
    assert outlook(world) is Outlook.DONE


def test_a_restart_is_done_when_the_old_ones_are_gone():
    world = World()
    world.bring_up()
    world.update()
    assert outlook(world) is Outlook.GOING
    world.bring_up()
    world.tick(1)
    assert outlook(world) is Outlook.GOING
    world.end_draining()
    world.tick(1)
    assert outlook(world) is Outlook.DONE


def test_a_restart_of_one_instance_is_done_when_its_old_run_is_gone():
    world = World(2)
    world.bring_up()
    world.tick(1)
    world.renew_place(2)
    assert outlook(world) is Outlook.GOING
    world.bring_up()
    world.tick(1)
    assert outlook(world) is Outlook.GOING
    world.end_draining()
    world.tick(1)
    assert outlook(world) is Outlook.DONE


def test_a_paused_update_is_hopeless():
    world = World()
    world.bring_up()
    world.update()
    world.crash()
    assert outlook(world) is Outlook.HOPELESS


def test_what_crashes_on_its_way_up_again_and_again_is_not_waited_for():
    world = World()
    for _ in range(2):
        world.crash()
        world.tick(5)
    assert outlook(world) is Outlook.GOING
    world.crash()
    assert outlook(world) is Outlook.HOPELESS


def test_what_serves_and_is_killed_again_and_again_is_waited_for():
    world = World()
    for _ in range(4):
        world.bring_up()
        world.crash()
        world.tick(5)
    assert outlook(world) is Outlook.GOING


def test_a_stop_is_done_when_nothing_is_left():
    world = World()
    world.bring_up()
    world.scale(0)
    assert outlook(world, until_stopped) is Outlook.GOING
    world.end_draining()
    assert outlook(world, until_stopped) is Outlook.DONE


def test_a_stop_of_one_instance_does_not_wait_for_the_others():
    world = World(2)
    world.bring_up()
    world.scale(2, held_back=frozenset({1}))
    world.end_draining()
    assert outlook(world, until_stopped) is Outlook.DONE
