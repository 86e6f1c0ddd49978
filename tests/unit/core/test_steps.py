from dataclasses import replace

from kettlingard.core.parse import Problem
from kettlingard.core.spec import LogKeys, PoolKeys, ServiceKeys, ServiceSpec
from kettlingard.core.steps import Move, OnDisk, Running, record, steps

MAIL = ServiceSpec("mail", service=ServiceKeys(kitten="a:B"), config={"word": "one"})
LOUD = replace(MAIL, log=LogKeys(level="debug"))
OTHER = replace(MAIL, config={"word": "two"})


def step(now, there):
    return steps({"mail": now} if now else {}, {"mail": there} if there else {})[0]


def test_what_is_as_its_file_says_is_kept():
    assert step(Running(MAIL, runs=True), OnDisk(MAIL)).move is Move.KEEP


def test_a_new_service_starts_if_it_is_enabled():
    assert step(Running(None, comes_up=True), OnDisk(MAIL)).move is Move.START
    assert step(Running(MAIL, comes_up=True), OnDisk(MAIL)).move is Move.START
    assert step(None, OnDisk(MAIL)).move is Move.KEEP


def test_one_whose_file_has_gone_stops():
    assert step(Running(MAIL, runs=True), None).move is Move.STOP


def test_one_whose_file_has_problems_is_kept_as_it_is():
    problem = Problem("mail.toml", "unknown key", 3, 1, "service.x")
    found = step(Running(MAIL, runs=True), OnDisk(None, (problem,)))
    assert found.move is Move.REFUSE
    assert record(found)["problems"] == ["mail.toml:3:1: service.x: unknown key"]


def test_live_keys_need_no_restart():
    found = step(Running(MAIL, runs=True), OnDisk(LOUD))
    assert found.move is Move.CHANGE
    [change] = record(found)["changes"]
    assert (change["key"], change["text"], change["does"]) == (
        "log.level",
        '"info" -> "debug"',
        "live",
    )


def test_the_settings_of_the_class_need_one_unless_it_listens_to_them():
    assert step(Running(MAIL, runs=True), OnDisk(OTHER)).move is Move.RESTART
    assert step(Running(MAIL, runs=True, live={"word"}), OnDisk(OTHER)).move is Move.CHANGE


def test_a_restart_says_how_many_instances_it_rolls():
    more = replace(OTHER, pool=PoolKeys(instances=2))
    found = step(Running(MAIL, runs=True), OnDisk(more))
    assert {one["does"] for one in record(found)["changes"]} == {
        "live",
        "restart, rolling (2 instances)",
    }


def test_what_does_not_run_changes_at_its_next_start():
    found = step(Running(MAIL), OnDisk(OTHER))
    assert (found.move, record(found)["does"]) == (Move.CHANGE, "at its next start")
