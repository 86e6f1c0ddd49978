"""`ctl daemon upgrade`: the supervisor becomes its next version, and nobody notices."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from itertools import pairwise

import pytest

from tests.faults.crowd import Crowd, percentile
from tests.faults.steady import Steady
from tests.faults.test_supervisor_dies import DEFINITION, answers, begin
from tests.faults.test_what_stays import held
from tests.helpers import ROOT, descriptors, wait_for

LONG = bool(os.environ.get("KETTLINGAR_LONG"))
ROUNDS = 100 if LONG else 2


def upgrades(one):
    return json.loads(one.ctl("daemon", "status", "-o", "json").stdout)["upgrades"]


@pytest.mark.timeout(60 + 4 * ROUNDS)
def test_upgrades_under_load_are_not_noticed(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    pid = one.pid
    one.ctl("daemon", "upgrade")
    wait_for(lambda: one.status("echo")["in_flight"] == 0)
    before = len(descriptors(pid))
    moments = []
    with Crowd(one.port, kept=200, fresh=4, pause=1.0, between=0.02) as seen:
        wait_for(lambda: len(seen.kept) > 250, within=20, what="all connections are kept")
        for number in range(ROUNDS):
            moments.append(time.monotonic())
            said = one.ctl("daemon", "upgrade").stdout
            assert f"pid {pid} as before" in said
            answers(seen, 20, f"answers after upgrade {number}")
        moments.append(time.monotonic())
    pauses = [seen.worst(*window) for window in pairwise(moments)]
    words = seen.words(moments[-1] - moments[0])
    print(
        f"\n{ROUNDS} upgrades, 200 kept connections: {words}; the slowest answer of an upgrade: "
        f"median {percentile(pauses, 50) * 1000:.0f} ms, p99 {percentile(pauses, 99) * 1000:.0f} ms"
    )
    assert not seen.errors
    assert one.pids("echo") == pids
    assert one.pid == pid
    status = one.status("echo")
    assert (status["state"], status["restarts"]) == ("ready", 0)
    assert not any(run["adopted"] for run in status["instances"])
    assert upgrades(one) == ROUNDS + 1
    wait_for(lambda: one.status("echo")["in_flight"] == 0, what="all connections done")
    wait_for(lambda: len(descriptors(pid)) <= before + 2, what="descriptors as before")


def test_after_an_upgrade_ends_are_known_and_all_commands_work(supervisor, service_module):
    one, (first, second) = begin(supervisor, service_module)
    one.ctl("daemon", "upgrade")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: one.status("echo")["restarts"] == 1)
    assert second in one.ready("echo")
    ends = [run["last_end"]["text"] for run in one.status("echo")["instances"] if run["last_end"]]
    assert [text.startswith("SIGKILL") for text in ends] == [True]
    assert one.ctl("call", "echo", "secret_pid").returncode == 0
    one.ctl("restart", "echo")
    assert second not in one.ready("echo")


def test_a_signal_does_the_same(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    one.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: upgrades(one) == 1, within=15)
    assert one.ready("echo") == pids


def test_a_crash_after_an_upgrade_is_a_crash_like_any_other(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    one.ctl("daemon", "upgrade")
    one.crash()
    one.start()
    one.ctl("daemon", "upgrade")
    assert one.ready("echo") == pids
    assert all(run["adopted"] for run in one.status("echo")["instances"])


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of both packages that the supervisor runs from."""
    folder = tmp_path / "checkout"
    for package in ("kettlingar", "kettlingard"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc.*"))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("kettlingard/core/parse.py", "import no_such_module\n", "no_such_module"),
        ("kettlingard/daemon.py", "def broken(:\n", "SyntaxError"),
        ("kettlingard/catalog.py", "raise SystemExit(3)\n", "exit 3"),
    ][: 3 if LONG else 1],
)
def test_a_broken_checkout_is_refused_with_the_reason_and_nothing_noticed(
    checkout, monkeypatch, supervisor, service_module, file, text, reason
):
    monkeypatch.setattr("tests.supervision.ROOT", checkout)  # where it is started
    one, pids = begin(supervisor, service_module)
    one.ctl("daemon", "upgrade")
    good = (checkout / file).read_text()
    (checkout / file).write_text(text)
    with Steady(one.port, kept=2, fresh=2) as ledger:
        refused = one.ctl("daemon", "upgrade", check=False)
        assert refused.returncode == 1
        assert reason in refused.stderr
        answers(ledger, 20, "answers after the refusal")
    assert not ledger.errors()
    assert one_status(one) == (1, pids)
    (checkout / file).write_text(good)
    assert one.ctl("daemon", "upgrade", check=False).returncode == 0
    assert one_status(one) == (2, pids)


def one_status(one):
    return upgrades(one), one.pids("echo")


def test_a_worker_that_is_being_started_comes_up_all_the_same(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    service_module(
        "late", "import time\ntime.sleep(2)\n" + "from echo import Echo\nclass Late(Echo): pass\n"
    )
    one.define("late", DEFINITION.replace("echo:Echo", "late:Late").replace("listen", "# listen"))
    one.ctl("start", "late", "--no-wait")
    one.ctl("daemon", "upgrade")
    assert len(one.ready("late")) == 2
    assert one.status("late")["restarts"] == 0
    assert one.pids("echo") == pids


def test_what_is_held_without_a_worker_is_answered_after_the_upgrade(supervisor, service_module):
    slow = "import time\ntime.sleep(3)\n" + "from echo import Echo\nclass Late(Echo): pass\n"
    service_module("late", slow)
    one, _ = begin(supervisor, service_module)
    one.ctl("stop", "echo")
    one.define("echo", DEFINITION.replace("echo:Echo", "late:Late"))
    one.ctl("start", "echo", "--no-wait")
    with subprocess.Popen(
        ["curl", "-sS", "--noproxy", "*", f"http://127.0.0.1:{one.port}/pid"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as waiting:
        one.ctl("daemon", "upgrade")
        pids = one.ready("echo")
        out, err = waiting.communicate(timeout=15)
    assert err == b""
    assert int(out) in pids


@pytest.mark.parametrize("seconds", [0.1 * n for n in range(2, 20, 1 if LONG else 6)])
def test_a_crash_in_the_midst_of_an_upgrade_loses_nobody(supervisor, service_module, seconds):
    late = "import time\ntime.sleep(3)\nfrom echo import Echo\nclass Late(Echo): pass\n"
    service_module("late", late)
    one, _ = begin(supervisor, service_module)
    one.ctl("stop", "echo")
    one.define("echo", DEFINITION.replace("echo:Echo", "late:Late"))
    one.ctl("start", "echo", "--no-wait")
    clients = [http.client.HTTPConnection("127.0.0.1", one.port, timeout=30) for _ in range(50)]
    try:
        for client in clients:
            client.request("GET", "/pid")
        wait_for(lambda: held(one) == len(clients), what="all are held")
        one.process.send_signal(signal.SIGUSR2)
        time.sleep(seconds)  # it rehearses, executes, or is done
        one.crash()
        one.start()
        assert {client.getresponse().status for client in clients} == {200}
    finally:
        for client in clients:
            client.close()
