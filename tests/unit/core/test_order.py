from kettlingard.core.order import (
    blockers,
    circle,
    dependents,
    pulled_in,
    pulls_in,
    start_order,
    waits_for,
)
from kettlingard.core.spec import DependencyKeys


def test_each_service_comes_after_what_it_needs():
    needs = {"web": ["db", "cache"], "db": [], "cache": ["db"], "alone": []}
    assert start_order(needs) == ["alone", "db", "cache", "web"]


def test_what_is_needed_but_unknown_is_no_obstacle_to_the_order():
    assert start_order({"web": ["nowhere"]}) == ["web"]


def test_a_circle_is_named_and_the_others_have_their_order():
    needs = {"a": ["b"], "b": ["c"], "c": ["a"], "d": []}
    assert circle("a", needs) == ["a", "b", "c", "a"]
    assert circle("d", needs) == []
    assert start_order(needs) == ["d", "a", "b", "c"]


def test_a_service_that_needs_itself_is_a_circle():
    assert circle("a", {"a": ["a"]}) == ["a", "a"]


def test_a_start_pulls_in_what_is_required_and_wanted_by_it():
    assert pulled_in(["web"], {"web": ["db"], "db": ["disk"], "other": ["web"]}) == [
        "web",
        "db",
        "disk",
    ]


def test_dependents_are_found_over_several_steps():
    assert dependents("disk", {"web": ["db"], "db": ["disk"], "x": []}) == ["db", "web"]


def test_requires_pulls_in_and_waits_after_only_waits_wants_only_pulls_in():
    keys = DependencyKeys(after=("a", "r"), requires=("r",), wants=("w",))
    assert (waits_for(keys), pulls_in(keys)) == (["r", "a"], ["r", "w"])


def test_requires_waits_for_ready():
    assert blockers(DependencyKeys(requires=("db",)), ready=[], wanted=[]) == ["db"]
    assert blockers(DependencyKeys(requires=("db",)), ready=["db"], wanted=["db"]) == []


def test_after_waits_only_for_what_is_wanted_at_all():
    assert blockers(DependencyKeys(after=("db",)), ready=[], wanted=[]) == []
    assert blockers(DependencyKeys(after=("db",)), ready=[], wanted=["db"]) == ["db"]


def test_wants_waits_for_nobody():
    assert blockers(DependencyKeys(wants=("db",)), ready=[], wanted=["db"]) == []


def test_what_binds_to_another_waits_for_it_and_pulls_it_in():
    keys = DependencyKeys(binds_to=("db",))
    assert (waits_for(keys), pulls_in(keys), blockers(keys, [], [])) == (["db"], ["db"], ["db"])
