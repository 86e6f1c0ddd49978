from dataclasses import replace

from kettlingard.core.listeners import ListenerSpec
from kettlingard.core.plan import Verdict, plan
from kettlingard.core.spec import LogKeys, ServiceKeys, ServiceSpec

OLD = ServiceSpec("mail", service=ServiceKeys(kitten="a:B"), environment={"A": "1"})


def step(new, old=OLD):
    return plan({"mail": old}, {"mail": new})[0]


def test_the_same_definition_is_kept():
    assert step(replace(OLD)).verdict is Verdict.KEEP


def test_services_come_and_go():
    assert [s.verdict for s in plan({"mail": OLD}, {"web": OLD})] == [Verdict.REMOVE, Verdict.ADD]


def test_a_log_level_is_applied_to_what_runs():
    found = step(replace(OLD, log=LogKeys(level="debug")))
    assert found.verdict is Verdict.LIVE
    assert [str(c) for c in found.changes] == ['log.level "info" -> "debug" (live)']


def test_the_environment_needs_a_restart_and_the_strongest_change_counts():
    found = step(replace(OLD, log=LogKeys(level="debug"), environment={"A": "1", "X": "y"}))
    assert found.verdict is Verdict.RESTART
    assert str(found.changes[1]) == 'environment.X + "y" (restart)'
    assert str(step(OLD, replace(OLD, environment={"A": "1", "X": "y"})).changes[0]) == (
        'environment.X - "y" (restart)'
    )


def test_a_listener_is_compared_by_its_name_and_keys():
    one = replace(OLD, listen=(ListenerSpec("a", "x:1"), ListenerSpec("b", "x:2")))
    two = replace(OLD, listen=(ListenerSpec("b", "x:2", max_held=3), ListenerSpec("c", "x:3")))
    found = step(two, one)
    assert found.verdict is Verdict.REBIND
    assert [c.key for c in found.changes] == ["listen.a", "listen.b.max_held", "listen.c"]


def test_the_order_of_listeners_and_the_place_of_the_file_change_nothing():
    both = (ListenerSpec("a", "x:1"), ListenerSpec("b", "x:2"))
    one, two = replace(OLD, listen=both), replace(OLD, listen=both[::-1], file="/elsewhere")
    assert step(two, one).verdict is Verdict.KEEP
