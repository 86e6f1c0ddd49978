"""`kettlingar ctl` against a real supervisor, as people use it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.helpers import ROOT, alive
from tests.helpers import wait_for as until
from tests.integration.test_ctl_alone import LESS_STILL, PROBE
from tests.supervision import CTL

KITTEN = """
    import asyncio, os
    from kettlingar import RPCKitten, RequestInfo, HttpResult

    class Cat(RPCKitten):
        '''cat - for tests'''
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "cat"

        async def public_api_pid(self, _request: RequestInfo) -> int:
            '''The process that answers.'''
            return os.getpid()

        async def api_add(self, _request: RequestInfo, a: int, b: int = 1, *, times: int = 1) -> int:
            '''Add two numbers.'''
            return (a + b) * times

        async def api_count(self, _request: RequestInfo, to: int = 3, pause: float = 0.0):
            for number in range(to):
                yield {"n": number, "_format": "number %(n)d"}
                await asyncio.sleep(pause)

        async def api_break(self, _request: RequestInfo):
            raise RuntimeError("it is broken")

        async def api_blob(self, _request: RequestInfo) -> bytes:
            return b"\\x00\\xff"

        async def api_slow(self, _request: RequestInfo, seconds: float) -> str:
            await asyncio.sleep(seconds)
            return "done"
"""
CAT = """
    [service]
    kitten = "cat:Cat"
    python_path = ["{src}"]
    description = "A cat for tests"
    listen = ["127.0.0.1:{port}"]
"""
BROKEN = """
    [service]
    kitten = "no_such_module:Cat"
    restart_delay = "20ms"
"""
INVALID = """
    [service]
    kitten = "cat:Cat"
    autorestart = true
"""


@pytest.fixture
def cat(supervisor, service_module):
    """A supervisor with the service `cat`, ready."""
    service_module("cat", KITTEN)
    one = supervisor({"cat": CAT})
    one.ready("cat")
    return one


def test_status_is_a_table_for_people_and_json_for_programs(cat):
    head, line = cat.ctl("status").stdout.splitlines()
    assert head.split()[:4] == ["SERVICE", "STATE", "READY", "GEN"]
    assert line.split()[:3] == ["cat", "ready", "1/1"]
    said = json.loads(cat.ctl("status", "-o", "json").stdout)
    assert said["daemon"]["pid"] == cat.pid
    (service,) = said["services"]
    (run,) = service["instances"]
    assert (service["name"], service["state"], run["state"]) == ("cat", "ready", "ready")
    assert alive(run["pid"])
    assert {"instance", "run", "since", "restarts"} <= run.keys()
    assert json.loads(cat.ctl("status", "-o", "jsonl").stdout)["name"] == "cat"
    assert str(run["pid"]) in cat.ctl("status", "-o", "wide").stdout
    assert cat.ctl("ps").stdout.splitlines()[0] == head


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "cat"],
        ["status", "-o", "json"],
        ["call", "cat", "add", "2"],
        ["call", "cat", "ping"],
        ["methods", "cat"],
    ],
)
def test_the_answer_is_read_without_anything_heavy(cat, words):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "--home", str(cat.home), *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=20,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded & LESS_STILL == set()


def test_the_detail_says_what_it_is_and_where_it_listens(cat):
    text = cat.ctl("status", "cat").stdout
    assert text.startswith("cat - A cat for tests")
    assert "cat:Cat" in text
    assert f"127.0.0.1:{cat.port}" in text
    assert re.search(r"/1 +ready +pid \d+", text)


def test_a_name_that_is_not_there_is_code_4_with_the_nearest(cat):
    for verb in ("status", "restart", "methods", "logs"):
        done = cat.ctl(verb, "cta", check=False)
        assert done.returncode == 4, verb
        assert "did you mean cat?" in done.stderr
    assert cat.ctl("call", "cat", "meow", check=False).returncode == 4


def test_a_failure_says_why_and_the_others_run(supervisor, service_module):
    service_module("cat", KITTEN)
    one = supervisor({"cat": CAT, "broken": BROKEN, "invalid": INVALID})
    one.ready("cat")
    done = one.ctl("wait", "broken", "--timeout", "10", check=False)
    assert done.returncode == 3
    assert "No module named 'no_such_module'" in done.stderr
    done = one.ctl("status", "invalid", check=False)
    assert done.returncode == 6
    assert "invalid.toml:4" in done.stdout
    assert "service.restart" in done.stdout
    assert one.ctl("status").returncode == 0
    failed = one.ctl("status", "--failed", check=False)
    assert failed.returncode == 3
    assert "broken" in failed.stdout
    assert "cat " not in failed.stdout


def test_call_converts_arguments_and_prints_what_comes(cat):
    assert cat.ctl("call", "cat", "add", "2").stdout == "3\n"
    assert cat.ctl("call", "cat", "add", "0x10", "--b=-1", "--times=2").stdout == "30\n"
    assert cat.ctl("call", "cat", "count", "2").stdout == "number 0\nnumber 1\n"
    assert cat.ctl("call", "cat", "count", "2", "-o", "json").stdout == '{"n":0}\n{"n":1}\n'


def test_call_has_an_exit_code_for_each_way_to_fail(cat):
    wrong = cat.ctl("call", "cat", "add", "two", check=False)
    assert wrong.returncode == 2
    assert "invalid literal for int()" in wrong.stderr
    broken = cat.ctl("call", "cat", "break", check=False)
    assert broken.returncode == 1
    assert broken.stderr == "RuntimeError: it is broken\n"
    late = cat.ctl("call", "cat", "slow", "1", "--timeout", "200ms", check=False)
    assert late.returncode == 8


def test_bytes_come_out_as_they_are(cat):
    done = subprocess.run(
        [*CTL, "ctl", "--home", str(cat.home), "call", "cat", "blob", "-o", "raw"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout == b"\x00\xff"


def test_a_stream_is_shown_as_it_comes(cat):
    command = [*CTL, "ctl", "--home", str(cat.home), "call", "cat", "count", "3", "--pause=0.4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as counting:
        assert counting.stdout.readline() == b"number 0\n"
        first = time.monotonic()
        assert counting.stdout.read() == b"number 1\nnumber 2\n"
        assert time.monotonic() - first > 0.5


def test_calls_leave_no_secret_anywhere(cat):
    assert cat.ctl("call", "cat", "add", "1").returncode == 0
    assert "token" not in cat.output().lower()
    answer = cat.get("/add?a=1")
    assert answer.status == 403


def test_methods_lists_what_can_be_called(cat):
    text = cat.ctl("methods", "cat").stdout
    assert re.search(r"add +private +a:int, b:int=, times:int= +int", text)
    assert re.search(r"count +private +to:int=, pause:float= +stream", text)
    assert re.search(r"pid +public +- +int", text)
    assert "Add two numbers." in cat.ctl("methods", "cat", "add", "--docs").stdout
    names = [one["name"] for one in json.loads(cat.ctl("methods", "cat", "-o", "json").stdout)]
    assert {"add", "ping", "help"} <= set(names)
    assert cat.ctl("methods", "cat", "meow", check=False).returncode == 4


def test_restart_waits_for_a_new_process_and_says_what_happened(cat):
    (old,) = cat.pids("cat")
    said = cat.ctl("restart", "cat").stdout
    assert "cat" in said
    (new,) = cat.pids("cat")
    assert new != old
    assert not alive(old)
    assert json.loads(cat.get("/pid").body) == new


def test_stop_start_and_wait(cat):
    (old,) = cat.pids("cat")
    cat.ctl("stop", "cat")
    assert not alive(old)
    assert cat.ctl("status", "cat", check=False).returncode == 3
    assert cat.ctl("wait", "cat", "--for", "stopped").returncode == 0
    late = cat.ctl("wait", "cat", "--timeout", "300ms", check=False)
    assert late.returncode in (3, 8)
    cat.ctl("start", "cat")
    assert cat.pids("cat") != [old]


def test_a_restart_into_a_broken_module_fails_with_the_reason(cat):
    (cat.src / "cat.py").write_text("import nothing_of_that_name\n")
    done = cat.ctl("restart", "cat", check=False)
    assert done.returncode == 1
    assert "nothing_of_that_name" in done.stdout + done.stderr
    assert cat.get("/pid").status == 200  # the old one goes on


def test_logs_show_the_last_lines_and_follow(cat):
    cat.ctl("call", "cat", "break", check=False)
    lines = cat.ctl("logs", "-n", "2").stdout.splitlines()
    assert len(lines) == 2
    assert lines[-1] == "cat/1  RuntimeError: it is broken"
    assert cat.ctl("logs", "cat/1", "-n", "1").stdout == "RuntimeError: it is broken\n"
    command = [*CTL, "ctl", "--home", str(cat.home), "logs", "cat", "-f", "-n", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as following:
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(following.stdout))
        reader.start()
        time.sleep(0.5)  # until it follows; what came before is not shown
        cat.ctl("restart", "cat")
        until(lambda: following.poll() is not None or _told_to_end(following), 1)
        assert following.wait(5) == 0
        reader.join(5)
    assert any("cat/1" in line for line in lines)


def _told_to_end(process):
    process.send_signal(signal.SIGINT)
    return True


def test_killed_workers_come_back_and_are_counted(cat):
    (old,) = cat.pids("cat")
    os.kill(old, signal.SIGKILL)
    until(lambda: cat.status("cat")["restarts"] == 1, 5)
    (new,) = cat.ready("cat")
    assert new != old


def test_the_daemon_shows_itself_and_ends_when_told(cat):
    text = cat.ctl("daemon", "status").stdout
    assert f"pid {cat.pid}" in text
    record = json.loads(cat.ctl("daemon", "status", "-o", "json").stdout)
    assert record["socket"] == str(cat.socket)
    pids = cat.pids("cat")
    assert cat.ctl("daemon", "shutdown").returncode == 0
    assert not any(map(alive, pids))
    assert cat.ctl("status", check=False).returncode == 7


def test_output_that_nobody_reads_is_no_error(cat):
    command = " ".join(["'" + word.replace("'", "'\\''") + "'" for word in CTL])
    line = f"{command} ctl --home {cat.home} call cat count 100000 | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "number 0\n", "")
