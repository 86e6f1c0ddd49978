"""kill -9 of the supervisor: its services go on, and the next one takes them as they are."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from kettlingard.core.snapshot import read_lines
from tests.faults.crowd import Crowd
from tests.faults.steady import Steady
from tests.helpers import ROOT, alive, wait_for
from tests.supervision import UP

ROUNDS = 100 if os.environ.get("KETTLINGAR_LONG") else 4

KITTEN = """
    import asyncio, os
    from kettlingar import RPCKitten

    class Echo(RPCKitten):
        async def public_api_pid(self, _request_info):
            return "text/plain", str(os.getpid())

        async def api_secret_pid(self, _request_info):
            return os.getpid()

        async def shutdown(self):
            print("shut down in order", flush=True)
"""
DEFINITION = """
    [service]
    kitten = "echo:Echo"
    python_path = ["{src}"]
    listen = ["127.0.0.1:{port}"]
    [pool]
    instances = 2
"""


def begin(supervisor, service_module, **others):
    service_module("echo", KITTEN)
    one = supervisor({"echo": DEFINITION, **others})
    return one, one.ready("echo")


def answers(ledger, count, what):
    wanted = ledger.ok + count
    wait_for(lambda: ledger.ok >= wanted, within=15, what=what)


def end(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, pids)))


def state_file(one):
    return one.home / "run" / "state.json"


def snapshot(one):
    return read_lines(state_file(one).read_bytes())


@pytest.mark.timeout(60 + 4 * ROUNDS)
def test_workers_outlive_their_supervisor_under_load(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    began = time.monotonic()
    with Crowd(one.port, kept=50, fresh=6, pause=0.25, between=0.006) as seen:
        for _ in range(ROUNDS):
            one.crash()
            answers(seen, 50, "answers without a supervisor")
            one.start()
            answers(seen, 50, "answers with the next supervisor")
            assert one.pids("echo") == pids
    words = seen.words(time.monotonic() - began)
    kept = map(int, re.findall(r"connections rescued count=(\d+)", one.log.read_text()))
    print(f"\n{ROUNDS} x kill -9 of the supervisor: {words}; {sum(kept)} kept by a custodian")
    assert not seen.errors
    assert set(seen.answered_by) == set(pids)
    status = one.status("echo")
    assert (status["state"], status["restarts"]) == ("ready", 0)
    assert all(run["adopted"] for run in status["instances"])
    wait_for(lambda: one.status("echo")["in_flight"] == 0, what="all connections done")


def test_a_worker_that_died_meanwhile_is_replaced_and_nothing_else(supervisor, service_module):
    one, (first, second) = begin(supervisor, service_module)
    one.crash()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not alive(first))
    one.start()
    pids = one.ready("echo")
    assert second in pids
    assert first not in pids
    assert one.status("echo")["restarts"] == 1


def test_an_adopted_worker_is_stopped_killed_and_called_like_any_other(supervisor, service_module):
    one, (first, second) = begin(supervisor, service_module)
    one.crash()
    one.start()
    assert int(one.ctl("call", "echo/1", "secret_pid").stdout) in (first, second)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: one.status("echo")["restarts"] == 1)
    assert second in one.ready("echo")
    one.ctl("restart", "echo")
    assert not {first, second} & set(one.ready("echo"))
    assert "shut down in order" in one.output()
    one.ctl("stop", "echo")
    assert one.pids("echo") == []


def test_what_was_stopped_stays_stopped_and_what_is_new_starts(supervisor, service_module):
    one, pids = begin(supervisor, service_module, other=DEFINITION.replace("listen", "# listen"))
    one.ready("other")
    one.ctl("stop", "other")
    one.crash()
    one.define("third", DEFINITION.replace("listen", "# listen"))
    one.start()
    assert one.ready("third")
    assert one.status("other")["state"] == "inactive"
    assert one.pids("echo") == pids


def test_no_adopt_ends_them_in_order_and_starts_anew(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    one.crash()
    one.start("--no-adopt")
    assert not set(pids) & set(one.ready("echo"))
    assert not any(map(alive, pids))
    assert one.output().count("shut down in order") == 2


def test_no_adopt_forgets_nobody_whom_it_cannot_end(supervisor, service_module):
    one, (first, second) = begin(supervisor, service_module)
    one.crash()
    os.kill(first, signal.SIGSTOP)
    one.start("--no-adopt", within=30)
    assert not alive(second)
    status = one.status("echo")
    assert f"pid {first} is an orphan" in status["note"]
    wait_for(lambda: len(one.pids("echo")) == 1, 15)  # the instance of the other waits for its end
    os.kill(first, signal.SIGCONT)
    wait_for(lambda: len(one.pids("echo")) == 2 and not alive(first), within=15)
    assert first not in one.pids("echo")


def test_a_worker_alone_ends_in_order_when_it_is_told_to(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    one.crash()
    wait_for(lambda: int(one.get("/pid").body) in pids)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not any(map(alive, pids)))
    assert one.output().count("shut down in order") == 2
    one.start()
    assert len(one.ready("echo")) == 2


def test_what_was_wanted_is_started_although_it_is_disabled_and_nothing_of_it_lives(
    supervisor, service_module
):
    text = '[service]\ntype = "simple"\nexec = ["sleep", "600"]\nenabled = false\n'
    one = supervisor({"started": text, "resting": text})
    one.ctl("start", "started")
    [pid] = one.ready("started")
    one.crash()
    os.kill(pid, signal.SIGKILL)
    one.start()
    one.ready("started")
    assert one.status("resting")["state"] == "disabled"


def test_a_stranger_with_the_pid_of_a_worker_is_left_alone(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    one.crash()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        left = snapshot(one)
        runs = left["services"]["echo"]["runs"]
        runs["1"]["pid"] = stranger.pid  # with a start time that is not its own
        state_file(one).write_text(json.dumps(left))
        end(pids)
        one.start()
        assert stranger.pid not in one.ready("echo")
        one.ctl("stop", "echo")
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_that_cannot_prove_itself_is_an_orphan_until_it_ends(supervisor, service_module):
    one, (first, second) = begin(supervisor, service_module)
    one.crash()
    left = snapshot(one)
    [number] = [n for n, run in left["services"]["echo"]["runs"].items() if run["pid"] == first]
    mark = left["services"]["echo"]["runs"][number]["mark"]
    left["services"]["echo"]["runs"][number]["mark"] = "0" * len(mark)
    state_file(one).write_text(json.dumps(left))
    one.start()
    status = one.status("echo")
    assert one.pids("echo") == [second]
    assert f"pid {first} is an orphan" in status["note"]
    assert alive(first)
    os.kill(first, signal.SIGTERM)
    wait_for(lambda: len(one.pids("echo")) == 2, within=15)
    assert not alive(first)


def test_a_worker_that_cannot_answer_now_is_adopted_when_it_can(supervisor, service_module):
    one, (first, second) = begin(supervisor, service_module)
    one.crash()
    os.kill(first, signal.SIGSTOP)
    one.start()
    assert one.pids("echo") == [second]
    os.kill(first, signal.SIGCONT)
    wait_for(lambda: set(one.pids("echo")) == {first, second}, within=15)
    assert one.status("echo")["restarts"] == 0


def test_nobody_waits_for_a_worker_that_does_not_answer_the_next_supervisor(
    supervisor, service_module
):
    one, (first, second) = begin(supervisor, service_module)
    one.crash()
    wait_for(lambda: int(one.get("/pid").body) == second, what="the second one accepts")
    os.kill(first, signal.SIGSTOP)
    try:
        # What the stopped one accepted in the meantime waits with it: only the other one answers.
        with Crowd(one.port, kept=0, fresh=1, pause=1.0, between=0.02) as seen:
            answers(seen, 20, "answers without a supervisor")
            one.start()
            answers(seen, 20, "answers with the next supervisor")
    finally:
        os.kill(first, signal.SIGCONT)
    assert not seen.errors
    assert max(seconds for _, seconds in seen.fresh) < 2.0
    wait_for(lambda: set(one.pids("echo")) == {first, second}, within=15)


def test_files_of_another_boot_are_not_believed(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    one.crash()
    end(pids)
    left = snapshot(one)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        for run in left["services"]["echo"]["runs"].values():
            run["pid"] = stranger.pid
        left["boot"] = "another"
        state_file(one).write_text(json.dumps(left))
        one.start()
        assert len(one.ready("echo")) == 2
        assert stranger.poll() is None
        stranger.kill()
    assert len(list((one.home / "run" / "workers").iterdir())) == 2  # stale ones are removed


def test_state_that_cannot_be_read_harms_nobody(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    one.crash()
    end(pids)
    for text in ("{", "[]", '{"version": 99}'):
        state_file(one).write_text(text)
        one.start()
        pids = one.ready("echo")
        one.crash()
        end(pids)
    one.start()


def test_of_two_that_start_at_once_one_wins_and_the_other_touches_nothing(
    supervisor, service_module
):
    one, pids = begin(supervisor, service_module)
    one.crash()
    command = [*UP, "up", "--home", str(one.home)]
    one.start()
    second = subprocess.run(
        command, capture_output=True, text=True, timeout=15, check=False, cwd=ROOT
    )
    assert second.returncode == 1
    assert "is running there already" in second.stderr
    assert one.pids("echo") == pids
    assert int(one.get("/pid").body) in pids


@pytest.mark.timeout(120)
def test_a_minute_of_nobody_is_served(supervisor, service_module):
    one, pids = begin(supervisor, service_module)
    seconds = 60 if os.environ.get("KETTLINGAR_LONG") else 3
    one.crash()
    with Steady(one.port, kept=2, fresh=2) as ledger:
        until = time.monotonic() + seconds
        wait_for(lambda: time.monotonic() > until, within=seconds + 5)
        one.start()
        answers(ledger, 50, "answers with the next supervisor")
    print(
        f"\n{seconds} s without a supervisor: {ledger.ok} answered, {ledger.errors() or 0} errors"
    )
    assert not ledger.errors()
    assert one.pids("echo") == pids
