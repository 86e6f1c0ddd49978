from kettlingard.core.words import Word, note, place_word, service_word
from tests.unit.core.world import World


def word(world, **known):
    return service_word(world.state, **known)


def test_a_service_comes_up_and_goes_down():
    world = World(0)
    assert word(world) is Word.INACTIVE
    assert word(world, enabled=False) is Word.DISABLED
    world.scale(3)
    assert word(world) is Word.STARTING
    world.bring_up()
    assert word(world) is Word.READY
    world.scale(0)
    assert word(world) is Word.STOPPING


def test_a_crashed_instance_degrades_its_service():
    world = World(2)
    world.bring_up()
    world.crash(2)
    world.crash(2)
    assert word(world) is Word.DEGRADED
    assert note(world.state) == "/2 backoff: exit 1"
    assert place_word(world.state.place(2), wanted=True) == "backoff"


def test_a_failed_service_says_why():
    world = World()
    world.crash(code=78)
    assert word(world) is Word.FAILED
    assert note(world.state) == "/1 failed: exit 78"


def test_a_restart_is_an_update_until_all_is_replaced():
    world = World()
    world.bring_up()
    world.update()
    assert word(world) is Word.UPDATING
    world.crash()
    assert word(world) is Word.UPDATE_PAUSED
    assert note(world.state) == "update paused: /1: exit 1"


def test_while_an_update_is_paused_and_nothing_serves_the_word_says_that():
    world = World()
    world.bring_up()
    world.update()
    world.crash()
    world.crash()
    assert word(world) is Word.STARTING
    world.crash(code=78)
    assert word(world) is Word.FAILED


def test_waiting_names_what_is_waited_for():
    world = World(0)
    world.around = type(world.around)(may_start=False)
    world.scale(1)
    assert word(world, waits=["db"]) is Word.WAITING
    assert note(world.state, waits=["db"]) == "waits for db (ready)"


def test_a_service_that_may_end_is_inactive_when_it_has():
    world = World(restart="on-failure")
    world.bring_up()
    world.crash(code=0)
    assert word(world) is Word.INACTIVE
    assert place_word(world.state.place(1), wanted=False) == "exited"


def test_an_instance_without_a_run_waits_for_one():
    world = World(0)
    world.around = type(world.around)(may_start=False)
    world.scale(1)
    assert place_word(world.state.place(1), wanted=True) == "waiting"


def test_a_port_in_use_is_a_failure_of_the_service():
    world = World(0)
    world.around = type(world.around)(may_start=False)
    world.scale(1)
    assert word(world, unbound="address in use") is Word.FAILED
    assert note(world.state, unbound="address in use") == "address in use"


def test_a_broken_file_is_invalid_only_while_nothing_runs_or_is_to_run():
    world = World()
    assert word(world, invalid=True) is Word.STARTING
    assert word(World(0), invalid=True) is Word.INVALID
    world.around = type(world.around)(may_start=False)
    world.crash()
    assert word(world, waits=["base"], invalid=True) is Word.WAITING
