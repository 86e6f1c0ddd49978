"""Definitions that change, and rolling restarts."""

import http.client
import os
import threading

from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import LISTEN
from tests.integration.daemon.kittens import definition

PAUSE = 0.002  # seconds between two requests of one client


class Load:
    """Clients that ask `/pid` on connections of their own until they are told to stop."""

    def __init__(self, port, clients=4, keep_alive=False):
        self.port, self.keep_alive = port, keep_alive
        self.done, self.errors = [], []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def ask(self):
        while not self.stopping.wait(PAUSE):
            try:
                self.done.append(self.once())
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))

    def once(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/pid")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise OSError(f"status {answer.status}")
            return int(body)
        finally:
            connection.close()


def test_a_restart_under_load_refuses_and_loses_nobody(steady):
    one = steady("[pool]\ninstances = 2\n")
    before = set(one.pids("steady"))
    with Load(one.port) as load:
        until(lambda: len(load.done) > 50, 10)
        one.ctl("restart", "steady")
        asked = len(load.done)
        until(lambda: len(load.done) > asked + 50, 10)
    assert load.errors == []
    after = set(one.pids("steady"))
    assert not before & after
    assert set(load.done[-20:]) <= after


def test_kills_under_load_refuse_nobody(steady):
    one = steady("[pool]\ninstances = 2\n")
    with Load(one.port) as load:
        for _ in range(5):
            asked = len(load.done)
            until(lambda asked=asked: len(load.done) > asked + 20, 10)
            os.kill(load.done[-1], 9)
            one.ready("steady")
    # What a killed worker had read but not answered gets an honest 503; nobody is
    # refused, and what nobody had read is answered by another one.
    assert [error for error in load.errors if "status 503" not in error] == []


def test_a_restart_takes_the_definition_on_disk_and_says_what_changed(steady):
    one = steady()
    one.define("steady", definition("steady:Steady", LISTEN + '[config]\nword = "two"\n'))
    said = one.ctl("restart", "steady").stdout
    assert 'config.word + "two" (restart)' in said
    assert one.get("/word").body == b"two"


def test_a_broken_definition_keeps_what_runs(steady):
    one = steady()
    [pid] = one.pids("steady")
    one.define("steady", definition("steady:Steady", "instancse = 3\n"))
    refused = one.ctl("restart", "steady", check=False)
    assert refused.returncode != 0
    assert "steady.toml:4:1: service.instancse: unknown key" in refused.stdout
    assert one.pids("steady") == [pid]


def test_a_bad_new_generation_is_paused_and_the_old_one_serves(steady):
    one = steady()
    [pid] = one.pids("steady")
    one.define("steady", definition("steady:Missing", LISTEN))
    failed = one.ctl("restart", "steady", check=False)
    assert failed.returncode == 1
    assert one.status("steady")["state"] == "update-paused"
    assert int(one.get("/pid").body) == pid
    one.define("steady", definition("steady:Steady", LISTEN))
    one.ctl("restart", "steady")
    assert one.status("steady")["state"] == "ready"


def test_one_bad_definition_harms_nobody_else(steady):
    one = steady(broken="[service]\nkitten = 3\n", missing=definition("no_such_module:X"))
    assert one.get("/pid").status == 200
    broken = one.status("broken")
    assert broken["state"] == "invalid"
    assert (broken["problems"][0]["line"], broken["problems"][0]["key"]) == (2, "service.kitten")
    until(lambda: one.status("missing")["state"] == "failed", 10)
    assert "No module named 'no_such_module'" in one.status("missing")["note"]


def test_a_new_definition_is_started_by_its_name(steady):
    one = steady()
    one.define("late", definition("steady:Steady"))
    one.ctl("start", "late")
    assert one.status("late")["state"] == "ready"


def test_stop_first_never_has_two_at_once(steady):
    one = steady('[update]\norder = "stop-first"\n')
    with Load(one.port, clients=2) as load:
        until(lambda: len(load.done) > 20, 10)
        one.ctl("restart", "steady")
        asked = len(load.done)
        until(lambda: len(load.done) > asked + 20, 10)
    assert load.errors == []
    log = (one.home / "log" / "kettlingard.log").read_text()
    assert log.index("exited service=steady instance=1 run=1") < log.index("run=2")


PICKY = """
    import os
    from kettlingar import RPCKitten

    class Picky(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "picky"

        async def init_servers(self, servers):
            if os.environ.get("REFUSES") == os.environ["KETTLINGARD_INSTANCE"]:
                raise RuntimeError("not here")
            return servers
"""
GOES_ON = """
[pool]
instances = 3
[update]
failure_action = "continue"
monitor = 0
[environment]
REFUSES = "{refuses}"
"""


def test_an_update_that_goes_on_leaves_the_place_where_it_fails_as_it_was(
    supervisor, service_module
):
    service_module("picky", PICKY)
    one = supervisor({"picky": definition("picky:Picky", GOES_ON.replace("{refuses}", "-"))})
    before = one.ready("picky")
    one.define("picky", definition("picky:Picky", GOES_ON.replace("{refuses}", "2")))
    done = one.ctl("restart", "picky", check=False)
    assert done.returncode == 1, done.stdout
    after = one.pids("picky")
    assert (after[0] not in before, after[2] not in before) == (True, True)
    assert after[1] == before[1]
    assert one.status("picky")["state"] == "degraded"
