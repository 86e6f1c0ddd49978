"""What people said, and what followed from it, is the same for the next supervisor and the next version."""

import http.client
import json
import os
import signal
import subprocess
from contextlib import contextmanager
from functools import partial

import pytest

from tests.faults.test_supervisor_dies import DEFINITION, begin
from tests.helpers import ROOT, alive, wait_for
from tests.supervision import UP

ELASTIC = DEFINITION.replace(
    "instances = 2", 'min_instances = 1\nmax_instances = 3\nidle_timeout = "60s"'
)


ON_DEMAND = 'min_instances = 0\nidle_timeout = "200ms"'


def crashes(one):
    one.crash()
    one.start()


def upgrades(one):
    one.ctl("daemon", "upgrade")


both = pytest.mark.parametrize("happens", [crashes, upgrades])


@contextmanager
def open_connections(port, count):
    """That many, kept after their first answer: each is load."""
    clients = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(count)]
    try:
        for client in clients:
            client.request("GET", "/pid")
            client.getresponse().read()
        yield clients
    finally:
        for client in clients:
            client.close()


@both
def test_a_scale_stays(supervisor, service_module, happens):
    one, pids = begin(supervisor, service_module)
    one.ctl("scale", "echo=3")
    pids = one.ready("echo")
    assert len(pids) == 3
    happens(one)
    assert sorted(one.ready("echo")) == sorted(pids)
    one.ctl("scale", "echo=1")
    assert len(one.pids("echo")) == 1
    happens(one)
    assert len(one.ready("echo")) == 1
    one.ctl("restart", "echo")
    assert len(one.ready("echo")) == 1


@both
def test_the_size_of_a_pool_that_follows_its_load_stays(supervisor, service_module, happens):
    one, _ = begin(supervisor, service_module)
    one.define("echo", ELASTIC)
    one.ctl("apply")
    with open_connections(one.port, 20) as clients:
        wait_for(lambda: len(one.pids("echo")) > 1, within=15, what="more instances")
        wait_for(lambda: one.status("echo")["state"] == "ready", within=15)
        pids = one.pids("echo")
        happens(one)
        assert sorted(one.ready("echo")) == sorted(pids)
        for client in clients:  # they are still there
            client.request("GET", "/pid")
            assert int(client.getresponse().read()) in pids
        assert sorted(one.pids("echo")) == sorted(pids)


@both
def test_changed_defaults_wait_until_somebody_applies_them(supervisor, service_module, happens):
    one, pids = begin(supervisor, service_module)
    (one.home / "kettlingard.toml").write_text('[defaults.environment]\nWORD = "new"\n')
    one.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "environment" in one.ctl("plan", check=False).stdout, what="a plan")
    happens(one)
    assert sorted(one.pids("echo")) == sorted(pids)
    assert "environment" in one.ctl("plan", check=False).stdout
    one.ctl("apply")
    assert not set(one.ready("echo")) & set(pids)
    happens(one)
    assert "environment" not in one.ctl("plan", check=False).stdout


def test_who_was_held_when_it_died_is_answered_by_the_next(supervisor, service_module):
    late = "import time\ntime.sleep(3)\nfrom echo import Echo\nclass Late(Echo): pass\n"
    service_module("late", late)
    one, _ = begin(supervisor, service_module)
    one.ctl("stop", "echo")
    one.define("echo", DEFINITION.replace("echo:Echo", "late:Late"))
    one.ctl("start", "echo", "--no-wait")
    clients = [http.client.HTTPConnection("127.0.0.1", one.port, timeout=20) for _ in range(300)]
    try:
        for client in clients:
            client.request("GET", "/pid")
        wait_for(lambda: held(one) == 300, what="all are held")
        crashes(one)
        answers = [client.getresponse() for client in clients]
        pids = one.ready("echo")
        assert {answer.status for answer in answers} == {200}
        assert {int(answer.read()) for answer in answers} <= {*pids}
    finally:
        for client in clients:
            client.close()


def test_an_update_whose_first_run_died_with_its_supervisor_goes_on(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    late = "import time\ntime.sleep(1)\nfrom echo import Echo\nclass Late(Echo): pass\n"
    service_module("late", late)
    one.define("echo", DEFINITION.replace("echo:Echo", "late:Late"))
    one.ctl("restart", "echo", "--no-wait")
    wait_for(lambda: [run for run in runs(one) if run["state"] == "starting"], what="a new run")
    crashes(one)
    wait_for(lambda: not set(one.pids("echo")) & set(pids), within=20, what="all are new")
    assert one.status("echo")["state"] in {"ready", "updating"}


def runs(one):
    return one.status("echo")["instances"]


def test_a_service_without_any_worker_is_not_refused_while_nobody_supervises(
    supervisor, service_module
):
    one, _ = begin(supervisor, service_module)
    one.define("echo", DEFINITION.replace("instances = 2", ON_DEMAND))
    one.ctl("apply")
    one.ctl("restart", "echo")
    wait_for(lambda: one.status("echo")["state"] == "held", within=90, what="held")
    one.crash()
    client = http.client.HTTPConnection("127.0.0.1", one.port, timeout=15)
    client.request("GET", "/pid")  # nobody is there, and it waits
    one.start()
    assert int(client.getresponse().read()) in one.pids("echo")
    client.close()


def held(one):
    found = json.loads(one.ctl("sockets", "-o", "json", check=False).stdout)
    return sum(listener["held"] for listener in found)


def test_of_those_that_start_at_the_same_moment_one_wins(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    for number in range(1, 3):
        one.crash()
        with one.log.open("ab") as log:
            command = [*UP, "up", "--home", str(one.home)]
            begun = [
                subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True)
                for _ in range(3)
            ]
        codes = wait_for(partial(codes_of, begun), 15, "two have ended")
        assert codes == [1, 1]
        [one.process] = [process for process in begun if process.poll() is None]
        assert one.log.read_text().count("is running there already") == 2 * number
        wait_for(one._answers, 15)
        assert sorted(one.ready("echo")) == sorted(pids)


def codes_of(processes):
    """The exit codes of all but one of them."""
    codes = [code for process in processes if (code := process.poll()) is not None]
    return codes if len(codes) == len(processes) - 1 else None


PROGRAM = """
    [service]
    type = "simple"
    exec = ["/bin/sh", "-c", "exec sleep 600"]  # no zygote for it
    [credentials]
    word = "{src}/echo.py"
"""


def test_what_ended_while_nobody_looked_leaves_no_files(supervisor, service_module):
    service_module("echo", "")
    one = supervisor({"program": PROGRAM})
    one.ready("program")
    names = {"programs": 2, "workers": 0, "credentials": 1}
    files = {name: set((one.home / "run" / name).iterdir()) for name in names}
    assert {name: len(found) for name, found in files.items()} == names
    [pid] = one.pids("program")
    one.crash()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    one.start()
    one.ready("program")
    assert not any(path.exists() for found in files.values() for path in found)
    assert {name: len(list((one.home / "run" / name).iterdir())) for name in names} == names
