"""What a supervisor leaves to the next one, or takes along: written, read, and misunderstood."""

import json

import pytest
from msgspec.structs import replace

from kettlingard.core import actor
from kettlingard.core.custody import Stage
from kettlingard.core.listeners import ListenerSpec
from kettlingard.core.passage import (
    Passage,
    PassedCaller,
    PassedConnection,
    PassedRun,
    PassedService,
    dump_passage,
    load_passage,
)
from kettlingard.core.policies import policies_of
from kettlingard.core.snapshot import (
    VERSION,
    RunRecord,
    ServiceRecord,
    Snapshot,
    SnapshotError,
    dump,
    dump_service,
    forgotten,
    joined,
    load,
    read_lines,
    written_service,
    written_spec,
)
from kettlingard.core.spec import ServiceKeys, ServiceSpec
from kettlingard.core.state import Circumstances, ServiceState, Wanted
from kettlingard.core.vocabulary import Exited, Reported, Spawned

SPEC = ServiceSpec(
    "blog",
    service=ServiceKeys(kitten="blog:Blog", restart_delay=3.0),
    config={"title": "x", "deep": {"list": [1, 2.5, "y"]}},
    listen=(ListenerSpec("main", "127.0.0.1:80"),),
    origins={"service.kitten": ("blog.toml", (1, 2))},
)


def lived():
    """A service with one run that failed and one that starts."""
    state = actor.renew(ServiceState(), 1, policies_of(SPEC), 1.0)
    wanted = Wanted(instances=2, held_back=frozenset({3}), renew={1: 2})
    state = actor.want(state, wanted, forgive=True, now=1.0)
    state, _ = actor.tick(state, 1.0, Circumstances())
    for event in (Spawned(2.0), Reported(2.0, "no xapian", "s.py:3"), Exited(2.5, 1, None)):
        state, _ = actor.happen(state, 1, event)
    return ServiceRecord(state, {1: SPEC}, {2: RunRecord(7, 99, "mark")}, ("start", "me"))


def written(*, services=None, **changes):
    data = dump(Snapshot(boot="b", daemon="running", written_by="0.1"), services or {})
    return json.loads(json.dumps({**data, **changes}))


def test_what_is_written_is_read_as_it_was():
    record = lived()
    back = load(written(services={"blog": dump_service(record)}))
    assert (back.boot, back.daemon, back.written_by, back.problems) == ("b", "running", "0.1", {})
    assert back.services == {"blog": record}
    assert back.services["blog"].state.policies.restart.delay == 3.0
    assert back.services["blog"].state.wanted.within == float("inf")


@pytest.mark.parametrize("names", [[], ["blog"], ["blog", 'a "quoted" one']])
def test_the_texts_of_services_joined_are_what_is_written_in_one_piece(names):
    head = dump(Snapshot(boot="b", daemon="running", written_by="0.1"), {})
    text = joined(head, [piece(name, lived()) for name in names])
    assert json.loads(text) == written(services={name: dump_service(lived()) for name in names})


def piece(name, record):
    return written_service(name, record, {n: written_spec(s) for n, s in record.specs.items()})


def lines(*changes):
    """A file: two services that run, then these lines."""
    head = dump(Snapshot(boot="b", daemon="running", written_by="0.1"), {})
    first = joined(head, [piece("blog", lived()), piece("cat", lived())])
    return b"\n".join([first, *changes]) + b"\n"


def test_later_lines_say_what_has_changed_since():
    again = replace(lived(), command=("stop", "you"))
    found = load(
        read_lines(
            lines(
                joined({"daemon": "running"}, [piece("blog", again)]),
                joined({"daemon": "draining"}, [piece("new", lived()), forgotten("cat")]),
            )
        )
    )
    assert (found.daemon, found.boot, found.problems) == ("draining", "b", {})
    assert found.services == {"blog": again, "new": lived()}


def test_a_last_line_that_is_torn_was_not_relied_on_yet():
    whole = lines(joined({"daemon": "draining"}, [forgotten("blog")]))
    begun = len(lines())
    for end in range(begun, len(whole) - 1):
        assert set(load(read_lines(whole[:end])).services) == {"blog", "cat"}
    assert set(load(read_lines(whole[:-1])).services) == {"cat"}


def test_another_line_that_is_torn_makes_the_file_unusable():
    with pytest.raises(ValueError):
        read_lines(lines(b'{"daemon": "run', joined({"daemon": "draining"}, [])))


def test_nothing_secret_and_no_place_in_a_file_is_written():
    text = json.dumps(dump_service(lived()))
    assert "secret" not in text
    assert "blog.toml" not in text


def test_fields_of_another_version_are_ignored_and_missing_ones_have_their_defaults():
    data = dump_service(lived())
    data["unheard_of"] = 1
    data["state"]["moon"] = "full"
    data["specs"]["1"]["service"]["phase"] = [1]
    del data["state"]["paused"], data["command"], data["specs"]["1"]["pool"]
    [record] = load(written(services={"blog": data}, newer="x")).services.values()
    assert record == replace(lived(), command=("", ""))


def test_a_key_that_had_no_use_yet_has_its_default_in_the_version_that_has_one_for_it():
    data = dump_service(lived())
    data["specs"]["1"]["service"]["timeout_start"] = None
    data["specs"]["1"]["listen"][0]["max_held"] = None
    [record] = load(written(services={"blog": data})).services.values()
    assert record == lived()


def test_a_newer_state_that_says_it_can_be_read_is_read():
    assert load(written(version=VERSION + 5, readable_by=VERSION)).boot == "b"


@pytest.mark.parametrize(
    "changes",
    [{"version": VERSION + 1, "readable_by": VERSION + 1}, {"readable_by": "x"}],
)
def test_a_newer_state_that_cannot_be_read_says_so(changes):
    with pytest.raises(SnapshotError, match=r"written by kettlingard 0\.1.*too new"):
        load(written(**changes))


@pytest.mark.parametrize("data", [None, [], "x", {}, {"version": "1"}])
def test_something_else_is_no_state(data):
    with pytest.raises(SnapshotError, match="no state of a kettlingard"):
        load(data)


def test_services_that_are_no_table_are_none():
    assert load(written() | {"services": []}).services == {}


def test_one_service_that_is_not_understood_is_a_problem_of_its_own():
    good, bad, empty = dump_service(lived()), dump_service(lived()), dump_service(lived())
    bad["state"]["members"]["2"]["run"]["phase"] = "dreaming"
    empty["specs"] = {}
    back = load(written(services={"good": good, "bad": bad, "empty": empty, "odd": 3}))
    assert set(back.services) == {"good"}
    assert "dreaming" in back.problems["bad"]
    assert back.problems["odd"]
    assert back.problems["empty"] == "the definitions of generations [1] are missing"


PASSAGE = Passage(
    lock=3,
    control=4,
    files=(1024, 4096),
    upgrades=2,
    services={
        "blog": PassedService(
            "secret",
            next_number=9,
            counts={"passed": 3},
            listeners={"127.0.0.1:80": 5},
            held=[PassedConnection(8, "127.0.0.1:80", Stage.HELD, 6, 1.5)],
            runs={
                2: PassedRun(
                    7,
                    8,
                    hello={"pid": 1},
                    connections=[PassedConnection(3, "a", Stage.ANSWERING)],
                    inherited=[4],
                )
            },
            callers=[PassedCaller(-1, 2, 1000, frozenset({4}), "", frozenset({"m"}))],
        )
    },
)


def test_a_passage_is_read_as_it_was():
    data = json.loads(json.dumps(dump_passage(PASSAGE)))
    assert load_passage(data) == PASSAGE
    assert load_passage({**data, "moon": 1}) == PASSAGE


def test_a_passage_names_every_descriptor_that_must_stay_open():
    assert sorted(PASSAGE.descriptors()) == [3, 4, 5, 6, 7, 8]


def test_a_passage_that_is_not_understood_says_why():
    with pytest.raises(SnapshotError, match=r"not understood.*control"):
        load_passage({"lock": 3})
