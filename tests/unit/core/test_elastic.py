import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kettlingard.core.elastic import bounds, spread
from kettlingard.core.goal import Outlook, until_ready
from kettlingard.core.parse import Source, parse
from kettlingard.core.policies import policies_of
from kettlingard.core.reconcile import next_wakeup
from kettlingard.core.state import Circumstances, Load, PoolPolicy, Wear
from kettlingard.core.vocabulary import Action, Phase, WatchdogAnswered
from kettlingard.core.words import Word, service_word
from tests.unit.core.walking import STEPS, act
from tests.unit.core.world import World


def elastic(least, most, *, start=None, idle_timeout=60.0, **more):
    world = World(0)
    pool = PoolPolicy(least, least if start is None else start, idle_timeout, **more)
    world.policies = replace(world.policies, pool=pool)
    world.state = replace(world.state, policies=world.policies)
    world.scale(most)
    world.bring_up()
    return world


def load(world, connections, *, peak=None, busy=True):
    at = world.now if busy else world.around.load.busy_at
    world.around = Circumstances(load=Load(connections, at, peak or connections))
    world.tick()
    world.bring_up()


def test_on_demand_nothing_runs_until_the_first_connection():
    world = elastic(0, 1)
    assert not world.state.members
    assert service_word(world.state) is Word.HELD
    assert until_ready(world.state, Word.HELD, world.now) is Outlook.DONE
    load(world, 1)
    assert sorted(world.serving()) == [1]
    assert service_word(world.state) is Word.READY


def test_what_is_idle_ends_after_its_time_and_not_before():
    world = elastic(0, 1)
    load(world, 1)
    load(world, 0)
    assert next_wakeup(world.state, world.now) <= world.now + 60
    world.tick(59.9)
    assert sorted(world.serving()) == [1]
    world.tick(0.2)
    [member] = world.state.members.values()
    assert member.run.phase is Phase.DRAINING
    assert member.run.reason == "idle"
    assert world.done[-2:] == [(Action.WITHDRAW, 1), (Action.DRAIN, 1)]
    assert service_word(world.state) is Word.HELD


def test_a_connection_that_came_and_went_meanwhile_counts():
    world = elastic(0, 1)
    load(world, 1)
    load(world, 0)
    world.now += 50
    load(world, 0)  # one came and went: busy_at has moved
    world.tick(30)
    assert sorted(world.serving()) == [1]
    world.tick(31)
    assert world.serving() == {}


def test_a_connection_while_the_last_run_still_ends_starts_another():
    world = elastic(0, 1)
    load(world, 1)
    load(world, 0)
    world.tick(61)
    load(world, 1)
    assert world.serving() == {1: 2}


def test_a_pool_grows_with_its_connections_and_no_further_than_it_may():
    world = elastic(1, 3)
    assert sorted(world.serving()) == [1]
    load(world, 9)
    assert sorted(world.serving()) == [1, 2]
    load(world, 900)
    assert sorted(world.serving()) == [1, 2, 3]


def test_a_pool_shrinks_to_what_its_peak_needed():
    world = elastic(1, 4)
    load(world, 32)
    load(world, 2, peak=10)
    world.tick(61)
    world.end_draining()
    assert sorted(world.serving()) == [1, 2]


def test_a_busy_pool_stays_as_it_is():
    world = elastic(1, 2)
    load(world, 9)
    for _ in range(10):
        world.now += 30
        load(world, 9)
    assert sorted(world.serving()) == [1, 2]


def test_without_an_idle_time_nothing_shrinks():
    world = elastic(0, 2, idle_timeout=0.0)
    load(world, 9)
    load(world, 0)
    world.tick(1e6)
    assert sorted(world.serving()) == [1, 2]


def test_while_the_load_is_not_known_the_size_stays():
    world = elastic(0, 1)
    load(world, 1)
    load(world, 0)
    world.around = Circumstances(load=None)
    world.tick(1000)
    assert sorted(world.serving()) == [1]


def test_a_stop_ends_all_of_it_and_a_start_begins_small():
    world = elastic(1, 3, start=2)
    load(world, 100)
    world.scale(0)
    world.end_draining()
    assert service_word(world.state) is Word.INACTIVE
    world.around = Circumstances()
    world.scale(3)
    world.bring_up()
    assert sorted(world.serving()) == [1, 2]


def test_a_scale_moves_the_most():
    world = elastic(0, 3)
    world.scale(1)
    assert (bounds(world.state).least, bounds(world.state).most) == (0, 1)
    load(world, 900)
    assert sorted(world.serving()) == [1]


def test_an_on_demand_service_that_crashes_is_restarted_while_it_is_wanted():
    world = elastic(0, 1)
    load(world, 1)
    world.crash()
    world.bring_up()
    assert world.serving() == {1: 2}


def test_a_run_that_is_too_old_is_replaced_start_first():
    world = elastic(None, 1, start=1, recycle_age=100.0, recycle_jitter=0.0)
    world.tick(99)
    assert world.serving() == {1: 1}
    assert next_wakeup(world.state, world.now) == 100
    world.tick(1)
    assert world.serving() == {1: 1}, "until the new one is ready"
    world.bring_up()
    world.tick(1)
    assert world.serving() == {1: 2}


@pytest.mark.parametrize("wear", [Wear(served=1000), Wear(memory=1 << 30)])
def test_a_run_that_has_done_enough_is_replaced(wear):
    world = elastic(None, 1, start=1, recycle_requests=1000, recycle_memory=1 << 30)
    world.around = Circumstances(wear={1: Wear(10, 1 << 20)})
    world.tick(5)
    assert len(world.state.members) == 1
    world.around = Circumstances(wear={1: wear})
    world.tick(1)
    world.bring_up()
    world.tick(1)
    assert world.serving() == {1: 2}


def test_runs_that_began_together_do_not_end_together():
    pool = PoolPolicy(recycle_age=100.0, recycle_jitter=0.2)
    ages = [spread(100.0, pool, run) for run in range(1, 5)]
    assert all(80 < age <= 100 for age in ages)
    assert len({round(age) for age in ages}) == 4


def pool(text):
    source = Source("/etc/mail.toml", f'[service]\nkitten = "a:B"\n[pool]\n{text}')
    found = parse("mail", [source])
    return [str(one) for one in found] if isinstance(found, list) else found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("instances = 3", (3, 3)),
        ("min_instances = 0", (0, 1)),
        ("max_instances = 4", (1, 4)),
        ("min_instances = 2\nmax_instances = 5", (2, 5)),
    ],
)
def test_what_is_not_said_is_instances(text, expected):
    assert pool(text).pool.bounds == expected
    least = expected[0] if expected[0] != expected[1] else None  # its size is then what is wanted
    assert policies_of(pool(text)).pool.least == least


def test_bounds_that_cannot_be_are_refused():
    [crossed] = pool("min_instances = 3\nmax_instances = 2")
    assert crossed.endswith("pool.min_instances: 3 is more than max_instances (2)")
    [outside] = pool("instances = 9\nmin_instances = 1\nmax_instances = 2")
    assert "9 is not between min_instances (1) and max_instances (2)" in outside
    [share] = pool("recycle_jitter = 2")
    assert share.endswith("2 is not a number of 0 to 1")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2), st.lists(st.tuples(STEPS, st.integers(0, 5)), max_size=50))
def test_whatever_happens_a_pool_has_what_its_load_needs_in_the_end(least, walk):
    world = elastic(least, 2)
    for step, pick in walk:
        act(world, step, pick)
    world.end_draining()
    world.around = Circumstances()
    world.scale(2)
    for _ in range(30):
        load(world, 900)
        world.end_draining()
        for member in world.members(Phase.UNRESPONSIVE):
            world.feed(member.number, WatchdogAnswered)
        world.tick(5)
    assert len(world.serving()) == 2
    load(world, 0)
    world.tick(61)
    world.end_draining()
    world.tick(61)
    world.end_draining()
    assert len(world.serving()) == least
