"""Rows of the table of one instance (docs/reference/supervisor-conformance.md) that no other test goes
through with real processes: longer starts, drains, recycling, the watchdog's return, what is stuck."""

import itertools
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.helpers import alive, http_get, pick_port
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import shared
from tests.integration.daemon.following import events, log, moves, states

KITTENS = """
import asyncio, os, time
from kettlingar import HttpResult, RPCKitten
from kettlingar.telling import status, still_starting

if os.environ.get("IMPORT_TAKES"):
    still_starting(10)
    time.sleep(float(os.environ["IMPORT_TAKES"]))

def nap(seconds):
    time.sleep(seconds)

class Cat(RPCKitten):
    async def init_servers(self, servers):
        takes = float(os.environ.get("INIT_TAKES", "0"))
        if takes:
            status("warming up")
            still_starting(10)
            await asyncio.sleep(takes)
            status("warm")
        return servers

    async def public_api_pid(self, request):
        return HttpResult("text/plain", str(os.getpid()))

    async def public_api_slow(self, request, seconds: float):
        await asyncio.sleep(seconds)
        return HttpResult("text/plain", "done")

    async def api_block(self, request, seconds: float):
        asyncio.get_running_loop().call_later(0.02, nap, seconds)

    async def api_grow(self, request, megabytes: int):
        self.ballast = bytearray(megabytes << 20)
        return len(self.ballast)

class Impostor(Cat):
    async def api_ping(self, request, docs: bool = False):
        return {"pong": True, "kitten": "SomebodyElse"}

class Rude(Cat):
    async def shutdown(self):
        if os.environ.get("BAD_END"):
            os._exit(int(os.environ["BAD_END"]))
"""
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def one(tmp_path_factory, nursery):
    src = tmp_path_factory.mktemp("src")
    (src / "cats.py").write_text(KITTENS)
    with shared({}, src, nursery) as supervisor:
        yield supervisor


@pytest.fixture
def define(one):
    """`define(more)`: start a cat of its own name with this definition; it ends with the test."""
    names = []

    def start(more="", *, kitten="Cat", wait=True):
        names.append(f"cat{next(NUMBERS)}")
        text = f'[service]\nkitten = "cats:{kitten}"\npython_path = ["{{src}}"]\n{more}'
        one.define(names[-1], text)
        one.ctl("start", names[-1], *([] if wait else ["--no-wait"]))
        return names[-1]

    yield start
    one.ctl("stop", "--now", "--force", *names)


def program(one, name, command, more=""):
    one.define(name, f'[service]\ntype = "simple"\nexec = {json.dumps(command)}\n{more}')
    one.ctl("apply", name, "--no-wait")


# --- coming up ---


def test_a_worker_that_is_stopped_while_it_prepares_ends_at_once(one, define):
    slow = define('[environment]\nINIT_TAKES = "600"\n', wait=False)
    until(lambda: "says warming up" in one.ctl("status", slow, check=False).stdout, 5)
    began = time.monotonic()
    one.ctl("stop", slow)
    assert time.monotonic() - began < 5
    assert "stopped before it was ready" in log(one, slow)
    assert events(one, slow)[-1]["reason"].startswith("exit 0 before it was ready")


def test_a_worker_is_ready_when_its_ping_is_answered_by_the_class_that_is_meant(one, define):
    other = define('restart = "no"\n', kitten="Impostor", wait=False)
    until(lambda: one.status(other)["state"] == "failed", 20)
    assert "its ping answered as 'SomebodyElse', not as Impostor" in one.status(other)["note"]
    assert "ready" not in states(one, other)


@pytest.mark.parametrize("step", ["IMPORT", "INIT"])
def test_a_worker_that_asks_for_more_time_to_start_has_it(one, define, step):
    more = f'timeout_start = "2s"\n[environment]\n{step}_TAKES = "3"\n'
    slow = define(more, wait=False)
    one.ready(slow, within=20)
    assert "killing" not in states(one, slow)
    assert one.status(slow)["restarts"] == 0


def test_what_a_service_says_of_itself_is_shown(one, define):
    slow = define('[environment]\nINIT_TAKES = "0.5"\n', wait=False)
    until(lambda: "says warming up" in one.ctl("status", slow, check=False).stdout, 5)
    until(lambda: "says warm\n" in one.ctl("status", slow, check=False).stdout, 5)


def test_a_port_that_another_process_has_is_named_and_taken_when_it_is_free(one, define):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        cat = define(f'listen = ["{address}"]\n', wait=False)
        until(lambda: one.status(cat)["state"] == "failed", 5)
        note = one.status(cat)["note"]
        assert f"cannot listen on {address}: address already in use" in note
        assert f"pid {os.getpid()}" in note
    until(lambda: one.status(cat)["state"] == "ready", 10)


def test_no_more_than_sixteen_start_at_once(one):
    names = [f"crowd{n}" for n in range(18)]
    for name in names:
        text = '[service]\ntype = "notify"\nexec = ["sleep", "600"]\ntimeout_start = "60s"\n'
        one.define(name, text + "[pool]\nstart_parallelism = 9\n")
    one.ctl("apply", *names, "--no-wait")

    def started():
        services = json.loads(one.ctl("status", *names, "-o", "json", check=False).stdout)
        return sum(bool(run["pid"]) for one in services["services"] for run in one["instances"])

    assert until(lambda: started() >= 16 and started(), 5) == 16
    until(lambda: started() == 18, 10, "five seconds later those count no more")
    one.ctl("stop", "--now", *names)


# --- ready ---


def test_what_was_ready_for_stable_after_has_no_record(one):
    """Its limit is two ends; it has four, each after it was stable."""
    more = 'start_limit_burst = 1\nstable_after = "50ms"\nrestart_delay = "10ms"\n'
    program(one, "now-and-then", ["sh", "-c", "sleep 0.3; exit 1"], more)
    until(lambda: states(one, "now-and-then").count("exited") >= 4, 10)
    assert one.status("now-and-then")["state"] != "failed"
    one.ctl("stop", "now-and-then")


def test_a_worker_that_answers_again_within_an_interval_is_not_replaced(one, define):
    watchdog = 'watchdog = "1s"\nwatchdog_timeout = "100ms"\nwatchdog_failures = 1\n'
    cat = define(watchdog)
    [pid] = one.pids(cat)
    # Workers are asked at multiples of their interval: blocked soon after one, it misses the
    # next one, and is back before the one after that.
    until(lambda: time.monotonic() % 1 < 0.1)
    one.ctl("call", cat, "block", "1.2")
    until(lambda: states(one, cat)[-2:] == ["unresponsive", "ready"], 10)
    assert one.pids(cat) == [pid]
    assert "in nap" in log(one, cat)


@pytest.mark.parametrize(
    ("pool", "megabytes"),
    [
        ('recycle_age = "1s"\n', 0),
        ('recycle_memory = "150M"\n', 200),
        ("recycle_requests = 3\nrecycle_jitter = 0\n", 0),
    ],
)
def test_a_run_that_has_had_its_time_is_replaced_start_first(one, define, pool, megabytes):
    address = f"127.0.0.1:{pick_port()}"
    cat = define(f'listen = ["{address}"]\n[update]\nmonitor = 0\n[pool]\n{pool}')
    first = http_get(f"http://{address}/pid").body
    if megabytes:
        one.ctl("call", cat, "grow", str(megabytes))
    until(lambda: http_get(f"http://{address}/pid").body != first, 20)
    until(lambda: (1, "exited") in moves(one, cat))
    happened = moves(one, cat)
    assert happened.index((2, "ready")) < happened.index((1, "draining"))
    assert one.status(cat)["restarts"] == 0


# --- going down ---


def ask(address, answers):
    try:
        answers.append(http_get(f"http://{address}/slow?seconds=3").status)
    except OSError:
        answers.append(0)


def in_flight(one, define, more):
    """A cat that answers one request for three seconds; the client's answer comes into the list."""
    address, answers = f"127.0.0.1:{pick_port()}", []
    cat = define(f'listen = ["{address}"]\n{more}')
    client = threading.Thread(target=ask, args=(address, answers))
    client.start()
    until(lambda: one.status(cat)["in_flight"], 5)
    return cat, client, answers


def test_a_drain_ends_with_the_last_answer(one, define):
    cat, client, answers = in_flight(one, define, 'drain_timeout = "20s"\n')
    one.ctl("stop", cat)
    client.join()
    assert answers == [200]
    assert states(one, cat)[-3:] == ["draining", "stopping", "exited"]


def test_a_drain_that_takes_too_long_is_cut_and_said(one, define):
    cat, client, answers = in_flight(one, define, 'drain_timeout = "300ms"\n')
    one.ctl("stop", cat)
    client.join()
    assert answers != [200]
    assert states(one, cat)[-3:] == ["draining", "stopping", "exited"]
    assert "drain cut connections=1 from=('127.0.0.1', " in log(one, cat)


def test_without_a_drain_what_is_answered_is_cut_at_once(one, define):
    cat, client, answers = in_flight(one, define, "drain_timeout = 0\n")
    one.ctl("stop", cat)
    client.join()
    assert answers != [200]
    assert "draining" not in states(one, cat)


def test_a_term_while_it_drains_cuts_the_drain_short(one, define):
    cat, client, answers = in_flight(one, define, 'drain_timeout = "20s"\n')
    [pid] = one.pids(cat)
    one.ctl("stop", cat, "--no-wait")
    until(lambda: states(one, cat)[-1] == "draining", 5)
    os.kill(pid, signal.SIGTERM)
    client.join()
    assert answers != [200]
    until(lambda: states(one, cat)[-1] == "exited", 5)


def test_a_bad_end_that_was_asked_for_is_told_and_counts_nothing(one, define):
    cat = define('[environment]\nBAD_END = "3"\n', kitten="Rude")
    one.ctl("restart", cat)
    ends = [event["reason"] for event in events(one, cat) if event["to"] == "exited"]
    assert ends[0].startswith("exit 3")
    assert one.status(cat)["restarts"] == 0


FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.fixture
def frozen():
    """`frozen(pid)`: nothing can happen to this process, not even SIGKILL, until the test ends."""
    if not os.access(FREEZER / "cgroup.procs", os.W_OK):
        pytest.skip("no cgroup v1 freezer here to keep a process from dying")
    group = FREEZER / f"kettlingar-test-{os.getpid()}"
    group.mkdir()

    def freeze(pid):
        (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")

    def thaw():
        (group / "freezer.state").write_text("THAWED")

    freeze.thaw = thaw
    yield freeze
    thaw()
    until(lambda: not (group / "cgroup.procs").read_text(), 5)
    group.rmdir()


def test_what_does_not_even_die_is_stuck_and_another_takes_its_place(one, frozen):
    program(one, "lasting", ["sleep", "600"], 'timeout_stop = "1s"\n[update]\nmonitor = 0\n')
    [pid] = one.ready("lasting")
    frozen(pid)
    one.ctl("restart", "lasting", "--no-wait")
    until(lambda: [run for run in one.status("lasting")["instances"] if run["stuck"]], 20)
    assert "stuck" in one.ctl("status", "lasting", check=False).stdout
    until(lambda: [run["instance"] for run in one.status("lasting")["instances"]] == [1, 2], 5)
    frozen.thaw()
    until(lambda: not alive(pid), 10, "KILL is sent again")
    one.ctl("stop", "lasting")


def test_what_requires_a_service_that_fails_later_goes_on(one):
    program(one, "base", ["sleep", "600"], 'restart = "no"\n')
    program(one, "top", ["sleep", "600"], '[dependencies]\nrequires = ["base"]\n')
    [pid] = one.ready("top")
    os.kill(one.pids("base")[0], signal.SIGKILL)
    until(lambda: one.status("base")["state"] == "failed", 5)
    assert one.pids("top") == [pid]
    one.ctl("stop", "base", "--with-dependents")


def test_the_last_fifty_events_of_a_service_are_kept(one):
    program(one, "busy", ["sleep", "600"])
    for _ in range(60):
        one.ctl("enable", "busy")
    assert len(events(one, "busy")) == 50
    one.ctl("stop", "busy")
