"""Keys of definitions that need a kitten to be seen: what each does to it, or to who calls it."""

import json
import os
import shlex
import sys
import threading
import time

import pytest

from tests.helpers import alive, pick_port
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import shared
from tests.integration.daemon.kittens import STEADY

HEAD = '[service]\nkitten = "steady:Steady"\npython_path = ["{src}"]\n'
QUICK = "[update]\nmonitor = 0\n"


@pytest.fixture(scope="module")
def one(tmp_path_factory, nursery):
    src = tmp_path_factory.mktemp("src")
    (src / "steady.py").write_text("\n".join(line[4:] for line in STEADY.splitlines()))
    with shared({}, src, nursery) as supervisor:
        yield supervisor


@pytest.fixture
def define(one):
    """`define(name, more)`: have this kitten ready; it ends with the test."""
    names = []

    def apply(name, more="", *, ready=True):
        one.define(name, HEAD + more)
        one.ctl("apply", name, "--no-wait")
        names.append(name)
        return one.ready(name) if ready else None

    yield apply
    one.ctl("stop", "--now", "--force", *names)


def environment(one, name):
    return json.loads(one.ctl("call", name, "environment", "-o", "json").stdout)


def test_python_is_the_interpreter_that_runs_it(one, define, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nCHOSEN=yes exec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    define("other", f'python = "{python}"\n[pool]\nzygote = false\n')
    assert environment(one, "other")["CHOSEN"] == "yes"
    assert f"python {python}" in one.ctl("status", "other").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give groups")
def test_group_is_its_group_and_not_the_users_own(one):
    text = (
        '[service]\ntype = "simple"\nexec = ["sleep", "600"]\nuser = "nobody"\ngroup = "daemon"\n'
    )
    one.define("grouped", text + 'working_directory = "/"\n')
    one.ctl("apply", "grouped")
    [pid] = one.pids("grouped")
    with open(f"/proc/{pid}/status") as status:
        ids = dict(line.split(":", 1) for line in status)
    assert (ids["Uid"].split()[0], ids["Gid"].split()[0]) == ("65534", "1")
    one.ctl("stop", "grouped")


def test_wants_pulls_in_and_goes_on_without_and_after_only_waits(one, define):
    sleeper = '[service]\ntype = "simple"\nexec = ["{}", "600"]\nenabled = false\nrestart = "no"\n'
    for name, command in [("wanted", "sleep"), ("hopeless", "/not/there"), ("mere-after", "sleep")]:
        one.define(name, sleeper.format(command))
    one.ctl("apply")
    define(
        "wanting",
        '[dependencies]\nwants = ["wanted", "hopeless"]\nafter = ["wanted", "mere-after"]\n',
    )
    assert one.status("wanted")["state"] == "ready"
    assert one.status("hopeless")["state"] != "disabled"
    assert one.status("mere-after")["state"] == "disabled"
    lines = one.ctl("events", "wanted", "wanting", "-o", "json").stdout.splitlines()
    moves = [(e["service"], e["to"]) for e in map(json.loads, lines) if e["instance"]]
    assert moves.index(("wanted", "ready")) < moves.index(("wanting", "spawning"))


def test_requires_pulls_in_what_is_not_enabled_at_boot_and_by_apply_but_not_what_was_stopped(
    supervisor,
):
    def sleeper(more=""):
        return f'[service]\ntype = "simple"\nexec = ["sleep", "600"]\n{more}'

    needing = sleeper('[dependencies]\nrequires = ["{}"]\n')
    one = supervisor({"lazy": sleeper("enabled = false\n"), "eager": needing.format("lazy")})
    one.ready("eager")
    one.define("lazier", sleeper("enabled = false\n"))
    one.define("late", needing.format("lazier"))
    assert "+ lazier (pulled in by late)" in one.ctl("apply").stdout
    one.ready("late")
    one.ctl("stop", "lazy", "--force")
    one.stop()
    one.start()
    one.ready("late")
    assert one.status("eager")["note"] == "waits for lazy (ready)"


def test_drain_timeout_is_how_long_a_request_may_go_on(one, define):
    port = pick_port()
    define("slow", f'listen = ["127.0.0.1:{port}"]\ndrain_timeout = "300ms"\n')
    answers = []
    asking = threading.Thread(target=lambda: answers.append(fetched(port, "/slow?seconds=20")))
    asking.start()
    until(lambda: one.status("slow")["in_flight"] == 1)
    began = time.monotonic()
    one.ctl("stop", "slow")
    asking.join(10)
    assert time.monotonic() - began < 10
    assert answers != [200]


def fetched(port, path):
    from tests.helpers import http_get

    try:
        return http_get(f"http://127.0.0.1:{port}{path}").status
    except OSError:
        return 0


def test_recycle_age_renews_a_run_that_is_old_enough(one, define):
    [pid] = define("aged", f'[pool]\nrecycle_age = "500ms"\n{QUICK}')
    until(lambda: one.pids("aged") not in ([], [pid]) and not alive(pid), 15)
    assert one.status("aged")["restarts"] == 0


def test_recycle_memory_renews_a_run_that_is_large_enough(one, define):
    [pid] = define("large", f'watchdog = "100ms"\n[pool]\nrecycle_memory = "1M"\n{QUICK}')
    until(lambda: one.pids("large") not in ([], [pid]) and not alive(pid), 20)


def test_parallelism_is_how_many_are_replaced_at_once(one, define):
    before = define(
        "broad", '[pool]\ninstances = 4\n[update]\nparallelism = 4\nmonitor = "300ms"\n'
    )
    one.ctl("restart", "broad")
    lines = one.ctl("events", "broad", "-o", "json").stdout.splitlines()
    moves = [e["to"] for e in map(json.loads, lines) if e["instance"] and e["generation"] == 2]
    assert moves[:8].count("draining") == 0
    assert not set(before) & set(one.pids("broad"))


def test_monitor_is_how_long_the_old_one_stays_beside_the_new_one(one, define):
    define("watched", '[update]\nmonitor = "700ms"\n')
    one.ctl("restart", "watched")
    lines = one.ctl("events", "watched", "-o", "json").stdout.splitlines()
    events = [e for e in map(json.loads, lines) if e["instance"]]
    [ready] = [e["time"] for e in events if e["run"] == 2 and e["to"] == "ready"]
    [drained] = [e["time"] for e in events if e["run"] == 1 and e["to"] == "draining"]
    assert drained - ready > 0.6  # by a clock that may be set meanwhile


@pytest.mark.parametrize(("rule", "said"), [("warn", True), ("allow", False)])
def test_api_break_warns_or_says_nothing(one, define, rule, said):
    name = f"breaking-{rule}"
    more = f'{QUICK}api_break = "{rule}"\n'
    define(name, more)
    text = (one.src / "steady.py").read_text()
    (one.src / "fewer.py").write_text(text.replace("api_environment", "api_surroundings"))
    one.define(name, HEAD.replace("steady:", "fewer:") + more)
    one.ctl("restart", name)
    assert ("API BREAK: removed environment()" in one.ctl("events", name).stdout) is said
    assert one.status(name)["state"] == "ready"


def test_public_methods_is_which_of_them_are_reached_by_tcp(one, define):
    port = pick_port()
    define("shy", f'listen = ["127.0.0.1:{port}"]\n[access]\npublic_methods = ["word"]\n')
    assert fetched(port, "/word") == 200
    assert fetched(port, "/pid") == 403
    define("shy", f'listen = ["127.0.0.1:{port}"]\n[access]\npublic_methods = "none"\n')
    until(lambda: fetched(port, "/word") == 403)
