"""Keys of definitions that no other test here is about: what each does to a real process."""

import json
import os

import pytest

from tests.helpers import alive
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import shared

HANGING = """
import asyncio, time
from kettlingar import RPCKitten

def nap(seconds):
    time.sleep(seconds)

class Hanging(RPCKitten):
    async def api_block(self, request, seconds: float = 1.0):
        asyncio.get_running_loop().call_later(0.02, nap, seconds)
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory, nursery):
    src = tmp_path_factory.mktemp("src")
    (src / "hanging.py").write_text(HANGING)
    with shared({}, src, nursery) as supervisor:
        yield supervisor


@pytest.fixture
def define(one):
    """`define(name, command, more)`: apply a program's definition; it ends with the test."""
    names = []

    def apply(name, command, more=""):
        text = command if isinstance(command, str) else None
        if text is None:
            text = f'[service]\ntype = "simple"\nexec = {json.dumps(command)}\n{more}'
        one.define(name, text)
        one.ctl("apply", name, "--no-wait")
        names.append(name)
        return name

    yield apply
    one.ctl("stop", "--now", "--force", *names)


def sh(script):
    return ["sh", "-c", script]


def proc(pid, file):
    with open(f"/proc/{pid}/{file}", "rb") as text:
        return text.read().decode()


def states(one, name):
    lines = one.ctl("events", name, "-o", "json").stdout.splitlines()
    return [json.loads(line)["to"] for line in lines]


def settled(one, name, state):
    until(lambda: one.status(name)["state"] == state, 10, f"{name} {state}")
    return one.status(name)


def test_documentation_is_shown(one, define):
    define("manual", ["sleep", "600"], 'documentation = "https://example.org/nap"\n')
    assert "https://example.org/nap" in one.ctl("show", "manual").stdout


def test_success_exit_status_is_a_good_end(one, define):
    more = 'restart = "on-failure"\nsuccess_exit_status = [0, 7, "SIGHUP"]\n'
    define("seven", sh("exit 7"), more)
    define("hung-up", sh("kill -HUP $$"), more)
    define("eight", sh("exit 8"), more + "start_limit_burst = 1\n")
    settled(one, "seven", "inactive")
    settled(one, "hung-up", "inactive")
    settled(one, "eight", "failed")


def test_restart_prevent_exit_status_is_no_reason_to_try_again(one, define):
    define("final", sh("exit 3"), "restart_prevent_exit_status = [3]\n")
    assert settled(one, "final", "failed")["restarts"] == 1


def test_retry_after_is_one_more_attempt(one, define):
    slow = 'start_limit_burst = 1\nrestart_delay = "10ms"\nretry_after = "200ms"\n'
    define("again", sh("exit 3"), slow)
    until(lambda: states(one, "again").count("spawning") >= 4, 10)


def test_start_limit_interval_is_the_window_of_the_limit(one, define):
    more = 'start_limit_burst = 2\nstart_limit_interval = "100ms"\n'
    define("seldom", sh("sleep 0.2; exit 3"), more + 'restart_delay = "10ms"\n')
    until(lambda: states(one, "seldom").count("spawning") >= 5, 10)
    assert one.status("seldom")["state"] != "failed"


def test_kill_signal_is_what_it_is_ended_by(one, define):
    script = "trap 'exit 5' USR2; while :; do sleep 0.01; done"
    define("own-way", sh(script), 'kill_signal = "SIGUSR2"\n')
    one.ready("own-way")
    one.ctl("stop", "own-way")
    [end] = [run["last_end"] for run in one.status("own-way")["instances"]] or [None]
    text = one.ctl("events", "own-way").stdout
    assert end is None or end["code"] == 5
    assert "exit 5" in text


def test_pass_environment_takes_a_variable_of_the_supervisors(one, define):
    here = proc(one.pid, "environ").split("\0")
    name = next(word.partition("=")[0] for word in here if word.startswith("PATH="))
    define("passed", ["sleep", "600"], f'pass_environment = ["{name}", "NOT_THERE"]\n')
    [pid] = one.ready("passed")
    words = dict(word.split("=", 1) for word in proc(pid, "environ").split("\0") if word)
    assert words[name] == dict(w.split("=", 1) for w in here if w)[name]
    assert "NOT_THERE" not in words


def test_start_parallelism_is_how_many_come_up_at_once(one, define):
    """None of a notify type says that it is ready: those that have begun are all there is."""
    text = (
        '[service]\ntype = "notify"\nexec = ["sleep", "600"]\ntimeout_start = "20s"\n'
        "[pool]\ninstances = 6\nstart_parallelism = 3\n"
    )
    define("queue", text)
    until(lambda: len(running(one, "queue")) == 3, 5)
    assert [run["state"] for run in one.status("queue")["instances"]].count("waiting") == 3


def running(one, name):
    return [run["pid"] for run in one.status(name)["instances"] if run["pid"]]


def test_binds_to_ends_with_what_it_is_bound_to(one, define):
    define("host", ["sleep", "600"])
    define("guest", ["sleep", "600"], '[dependencies]\nbinds_to = ["host"]\n')
    [pid] = one.ready("guest")
    one.ctl("stop", "host", "--force")
    until(lambda: not alive(pid), 5)
    one.ctl("start", "host")
    assert one.ready("guest") != [pid]


def test_part_of_is_stopped_and_restarted_with_it(one, define):
    define("whole", ["sleep", "600"], "[update]\nmonitor = 0\n")
    define("part", ["sleep", "600"], '[dependencies]\npart_of = ["whole"]\n[update]\nmonitor = 0\n')
    [pid] = one.ready("part")
    one.ctl("restart", "whole")
    until(lambda: one.pids("part") not in ([], [pid]), 5)
    one.ctl("stop", "whole")
    until(lambda: one.status("part")["state"] == "inactive", 5)


def test_limits_are_the_processes_own(one, define):
    limits = "[resources]\nlimit_nofile = 123\nlimit_core = 0\nlimit_nproc = 4321\n"
    define("limited", ["sleep", "600"], limits)
    [pid] = one.ready("limited")
    found = {line[:25].strip(): line[26:46].strip() for line in proc(pid, "limits").splitlines()}
    assert found["Max open files"] == "123"
    assert found["Max processes"] == "4321"
    assert found["Max core file size"] == "0"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give groups")
def test_supplementary_groups_are_its_groups(one, define):
    more = 'user = "nobody"\nsupplementary_groups = ["daemon"]\nworking_directory = "/"\n'
    define("grouped", ["sleep", "600"], more)
    [pid] = one.ready("grouped")
    status = dict(line.split(":", 1) for line in proc(pid, "status").splitlines())
    assert "1" in status["Groups"].split()
    assert status["Uid"].split()[0] == "65534"


def test_a_watchdog_that_only_reports_dumps_the_stacks_and_ends_nothing(one, define):
    text = (
        '[service]\nkitten = "hanging:Hanging"\npython_path = ["{src}"]\nwatchdog = "100ms"\n'
        'watchdog_timeout = "100ms"\nwatchdog_failures = 2\nwatchdog_action = "report"\n'
    )
    define("hanging", text)
    [pid] = one.ready("hanging")
    one.ctl("call", "hanging", "block", "1")
    until(lambda: "unresponsive" in states(one, "hanging"), 10)
    until(lambda: states(one, "hanging")[-1] == "ready", 10)
    assert one.pids("hanging") == [pid]
    assert "in nap" in (one.home / "log" / "hanging-1.log").read_text()


def test_the_signal_of_kill_is_named_as_you_like(one, define):
    script = "trap 'echo heard; exit 0' HUP; while :; do sleep 0.01; done"
    define("listener", sh(script))
    [pid] = one.ready("listener")
    assert str(pid) in one.ctl("kill", "listener", "--signal", "hup").stdout
    until(lambda: one.pids("listener") not in ([], [pid]), 5)
    said = one.ctl("logs", "listener", "--lines", "5")
    assert "heard" in said.stdout
    assert one.ctl("kill", "listener", "-s", "nonsense", check=False).returncode == 2
