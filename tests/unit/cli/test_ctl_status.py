import time

import pytest

from kettlingar.cli.ctl_status import detail, exit_code, overview, row

RUN = {
    "instance": 1, "run": 4, "pid": 4122, "state": "ready", "uptime": 11460, "restarts": 0,
    "memory": 118 << 20, "cpu": 4.0, "lag": 0.001, "served": 10422, "in_flight": 1,
}  # fmt: skip
FAILED = {
    "instance": 2, "run": 5, "pid": None, "state": "failed", "restarts": 3,
    "reason": "the same import error twice",
    "last_end": "exit 1 before it was ready, 0.21 s after start",
}  # fmt: skip
SEARCH = {
    "name": "search", "state": "degraded", "generation": 3, "description": "Full text search",
    "definition": "/etc/search.toml", "kitten": "search.app:SearchKitten", "python": "/venv/python",
    "ready": 1, "wanted": 2, "restarts": 3, "uptime": 40, "in_flight": 1,
    "note": "/2 failed: ModuleNotFoundError: No module named 'xapian'",
    "listens": [{"name": "http", "address": "127.0.0.1:80", "dispatch": "pass", "held": 2, "queued": 1, "backlog": 1024}],
    "needs": [], "needed_by": ["blog"], "problems": [], "instances": [RUN, FAILED],
    "log": ["Traceback (most recent call last):"],
}  # fmt: skip


def test_a_service_is_one_line():
    assert row(SEARCH) == [
        "search", "degraded", "1/2", "3", "40s", "3", "4%", "118M", "1", SEARCH["note"],
    ]  # fmt: skip


def test_what_nobody_knows_is_a_dash():
    bare = {"name": "x", "state": "invalid", "ready": 0, "wanted": 0, "instances": []}
    assert row(bare) == ["x", "invalid", "0/0", "-", "-", "0", "-", "-", "-", ""]


def test_a_bad_definition_is_told_in_the_table():
    bad = {
        "name": "x",
        "state": "invalid",
        "problems": ["x.toml:2: no such key", "x.toml:3: worse"],
    }
    assert row(bad)[-1] == "x.toml:2: no such key (and 1 more)"


def test_wide_adds_pids_listeners_and_the_kitten():
    head, line = overview([SEARCH], wide=True)
    assert head.split()[-4:] == ["PIDS", "LISTENS", "KITTEN", "NOTE"]
    assert "4122  127.0.0.1:80  search.app:SearchKitten" in line


def test_an_empty_table_is_its_head():
    assert overview([])[0].startswith("SERVICE  STATE  READY")


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["ready"], 0),
        (["ready", "held", "updating"], 0),
        (["degraded"], 3),
        (["inactive"], 3),
        (["ready", "failed"], 3),
        (["invalid"], 6),
        (["invalid", "ready"], 6),
        (["invalid", "failed"], 3),
    ],
)
def test_the_exit_code_says_whether_they_serve(states, code):
    assert exit_code([{"name": "x", "state": state} for state in states]) == code


def test_the_detail_says_who_runs_who_does_not_and_why():
    text = "\n".join(detail(SEARCH))
    assert text.startswith("search - Full text search")
    assert "degraded (1 of 2 ready)" in text
    assert "kitten      search.app:SearchKitten, python /venv/python" in text
    assert "listens     127.0.0.1:80 (pass), held 2, backlog 1/1024" in text
    assert "needed by  blog" in text
    assert "/1  ready    pid 4122  up 3h11m  118M  loop lag 1 ms  served 10422  in flight 1" in text
    assert "/2  failed   3 restarts  the same import error twice" in text
    assert "last end exit 1 before it was ready" in text
    assert "Traceback" in text


def test_what_failed_says_the_error_once_where_it_is_and_when_it_is_tried_again():
    error = "ModuleNotFoundError: No module named 'xapian'"
    end = {
        "text": f"exit 1 before it was ready, 0.21 s after start: {error}; search/app.py:3",
        "error": error,
        "where": "search/app.py:3",
    }
    run = {"instance": 2, "state": "failed", "reason": f"the same twice: {error}", "last_end": end}
    assert detail({**SEARCH, "instances": [run], "log": []})[5:] == [
        "  /2  failed   the same error twice; tried again when its sources or its definition change",
        "      last end exit 1 before it was ready, 0.21 s after start",
        f"      search/app.py:3  {error}",
    ]
    loops = {
        **run,
        "state": "backoff",
        "reason": error,
        "next_try": time.mktime((2026, 1, 2, 14, 5, 6, 0, 0, -1)),
    }
    assert (
        detail({**SEARCH, "instances": [loops], "log": []})[5] == "  /2  backoff  next try 14:05:06"
    )


def test_a_services_words_cannot_drive_the_terminal():
    nasty = {**SEARCH, "description": "a\x1b[2Jb", "log": ["\x1b]0;title\x07"]}
    assert "\x1b" not in "\n".join([*detail(nasty), *overview([nasty])])


def test_the_detail_repeats_no_instances_note_but_tells_the_services():
    assert not any(line.startswith("  note") for line in detail(SEARCH))
    waiting = {**SEARCH, "note": "waits for storage (ready)"}
    assert "  note        waits for storage (ready)" in detail(waiting)


def test_a_run_that_was_another_supervisors_says_so():
    text = "\n".join(detail({**SEARCH, "instances": [{**RUN, "adopted": True, "stuck": False}]}))
    assert "in flight 1  adopted" in text
    assert "stuck" not in text
