"""New generations come in place by place; what goes wrong on the way keeps the old ones serving."""

import http.client
import itertools
import os
import signal
import threading

import pytest

from tests.helpers import http_get, pick_port
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import shared
from tests.integration.daemon.following import events, moves, states

KITTENS = """
import asyncio, os, time
from kettlingar import HttpResult, RPCKitten

class Small(RPCKitten):
    async def public_api_pid(self, request):
        return HttpResult("text/plain", str(os.getpid()))

    async def public_api_slow(self, request, seconds: float):
        await asyncio.sleep(seconds)
        return HttpResult("text/plain", str(os.getpid()))

class Cat(Small):
    async def init_servers(self, servers):
        does = os.environ.get("DOES", "")
        loop = asyncio.get_running_loop()
        if does == "fail" or os.path.exists(os.environ.get("FAILS_IF", "")):
            raise RuntimeError("not this time")
        if does == "hang":
            await asyncio.sleep(600)
        if does == "exit":
            loop.call_later(0.3, os._exit, 3)
        if does == "block":
            loop.call_later(0.3, time.sleep, 600)
        return servers

    async def api_meow(self, request):
        return "meow"
"""
NUMBERS = itertools.count(1)
WATCHDOG = 'watchdog = "200ms"\nwatchdog_timeout = "200ms"\nwatchdog_failures = 1\n'


class Rolled:
    """One service with a port."""

    def __init__(self, one):
        self.one, self.name = one, f"rolled{next(NUMBERS)}"
        self.address = f"127.0.0.1:{pick_port()}"

    def define(self, update="", does="", more="", kitten="Cat"):
        self.one.define(
            self.name,
            f'[service]\nkitten = "rolls:{kitten}"\npython_path = ["{{src}}"]\n'
            f'listen = ["{self.address}"]\n{more}\n[update]\n{update}\n'
            f'[environment]\nDOES = "{does}"\nFAILS_IF = "{{src}}/{self.name}"\n',
        )

    def restart(self, *words):
        return self.one.ctl("restart", *(words or [self.name]), check=False)

    def answers(self):
        """Who does."""
        return int(http_get(f"http://{self.address}/pid").body)

    @property
    def state(self):
        return self.one.status(self.name)["state"]


@pytest.fixture(scope="module")
def one(tmp_path_factory, nursery):
    src = tmp_path_factory.mktemp("src")
    (src / "rolls.py").write_text(KITTENS)
    with shared({}, src, nursery) as supervisor:
        yield supervisor


@pytest.fixture
def rolled(one):
    """`rolled(update, more)`: a ready service; it ends with the test."""
    services = []

    def start(update="", more=""):
        services.append(Rolled(one))
        services[-1].define(update, more=more)
        one.ctl("start", services[-1].name)
        return services[-1]

    yield start
    one.ctl("stop", "--now", "--force", *(service.name for service in services))


def test_start_first_the_old_one_answers_until_the_new_one_has_been_watched(rolled):
    cat = rolled('monitor = "1s"')
    before = cat.answers()
    cat.one.ctl("restart", cat.name, "--no-wait")
    until(lambda: (2, "ready") in moves(cat.one, cat.name), 10)
    assert cat.answers() == before
    until(lambda: cat.state == "ready", 10)
    assert cat.answers() != before
    times = {(e["run"], e["to"]): e["time"] for e in events(cat.one, cat.name)}
    assert times[1, "draining"] - times[2, "ready"] > 0.9


def test_as_many_places_change_at_once_as_parallelism_says(rolled):
    cat = rolled("monitor = 0\nparallelism = 2", "[pool]\ninstances = 4\nstart_parallelism = 4")
    assert cat.restart().returncode == 0
    moving, most = 0, 0
    for run, to in moves(cat.one, cat.name):
        moving += (run > 4 and to == "spawning") - (run <= 4 and to == "exited")
        most = max(most, moving)
    assert (moving, most) == (0, 2)


@pytest.mark.parametrize(
    ("does", "update", "why"),
    [
        ("fail", "", "not this time"),
        ("hang", "", "start-timeout"),
        ("exit", 'monitor = "20s"', "exit 3"),
        ("block", 'monitor = "20s"', "watchdog"),
    ],
)
def test_what_fails_on_trial_pauses_the_update_and_the_old_one_answers(rolled, does, update, why):
    cat = rolled(update, WATCHDOG)
    before = cat.answers()
    cat.define(update, does, WATCHDOG + ('timeout_start = "1500ms"\n' if does == "hang" else ""))
    assert cat.restart().returncode == 1
    assert cat.state == "update-paused"
    assert why in cat.one.status(cat.name)["note"]
    assert cat.answers() == before
    assert (1, "draining") not in moves(cat.one, cat.name)
    cat.define(update, more=WATCHDOG)
    cat.one.ctl("rollback", cat.name)
    assert cat.answers() == before


def test_stop_first_the_old_generation_comes_back_when_the_new_one_fails(rolled):
    cat = rolled('order = "stop-first"')
    before = cat.answers()
    cat.define('order = "stop-first"', "fail")
    assert cat.restart().returncode == 1
    until(lambda: (3, "ready") in moves(cat.one, cat.name), 10)
    assert cat.answers() != before
    assert cat.state == "update-paused"
    [run] = cat.one.status(cat.name)["instances"]
    assert run["generation"] == 1


def test_what_crashes_while_an_update_is_paused_comes_back_as_it_was(rolled):
    cat = rolled()
    cat.define(does="fail")
    cat.restart()
    os.kill(cat.answers(), signal.SIGKILL)
    assert cat.answers()
    assert [r["generation"] for r in cat.one.status(cat.name)["instances"]] == [1]
    assert cat.state == "update-paused"


def test_what_crashes_after_the_renewal_of_an_instance_has_failed_comes_back_once(rolled):
    cat = rolled()
    trap = cat.one.src / cat.name
    trap.touch()
    assert cat.restart(f"{cat.name}/1").returncode == 1
    assert cat.state == "update-paused"
    trap.unlink()
    os.kill(cat.answers(), signal.SIGKILL)
    assert cat.answers()
    assert states(cat.one, cat.name).count("spawning") == 3
    until(lambda: cat.state == "ready", 5, "the renewal has come about")


def test_methods_that_vanish_are_told_and_no_more_than_that_by_default(rolled):
    cat = rolled("monitor = 0")
    cat.define("monitor = 0", kitten="Small")
    assert cat.restart().returncode == 0
    assert "API BREAK: removed meow" in cat.one.ctl("events", cat.name).stdout
    assert cat.state == "ready"


class Visitor(threading.Thread):
    """Asks again and again by one connection, until it is told to stop."""

    def __init__(self, address, path):
        super().__init__()
        self.address, self.path = address, path
        self.said, self.failed, self.done = set(), [], 0
        self.enough = threading.Event()

    def run(self):
        host, _, port = self.address.rpartition(":")
        client = http.client.HTTPConnection(host, int(port), timeout=20)
        client.connect()
        client.auto_open = 0  # a connection that ends is a failure
        while not self.enough.is_set() and not self.failed:
            try:
                client.request("GET", self.path)
                answer = client.getresponse()
                self.said.add((answer.status, answer.read()))
                self.done += 1
            except (OSError, http.client.HTTPException) as why:
                self.failed.append(repr(why))
        client.close()


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_a_restart_disturbs_no_request_of_another_service(rolled, order):
    other = rolled("monitor = 0", "[pool]\ninstances = 1")
    cat = rolled(f'monitor = 0\norder = "{order}"', "[pool]\ninstances = 2")
    pid = str(other.answers()).encode()
    visitors = [Visitor(other.address, f"/slow?seconds={s}") for s in ("0", "0", "0.05", "1")]
    for visitor in visitors:
        visitor.start()
    for _ in range(3):
        until(lambda asked=visitors[0].done: visitors[0].done > asked + 20, 10)
        assert cat.restart().returncode == 0
    for visitor in visitors:
        visitor.enough.set()
        visitor.join()
    assert [visitor.failed for visitor in visitors] == [[]] * 4
    assert {one for visitor in visitors for one in visitor.said} == {(200, pid)}
    assert other.one.status(other.name)["restarts"] == 0
