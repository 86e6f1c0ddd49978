"""What becomes of the processes of a service, whatever they do."""

import os
import signal
import time

from tests.helpers import alive
from tests.helpers import wait_for as until
from tests.integration.daemon.kittens import definition


def pid_by_tcp(one):
    return int(one.get("/pid").body)


def test_a_worker_answers_itself_and_comes_back_when_it_is_killed(steady):
    one = steady()
    first = pid_by_tcp(one)
    assert first != one.pid
    os.kill(first, signal.SIGKILL)
    second = pid_by_tcp(one)  # held until the new one is ready: nobody is refused
    assert second not in {first, one.pid}
    [run] = one.status("steady")["instances"]
    assert (run["restarts"], run["last_end"]["text"].split(",")[0]) == (1, "SIGKILL")


def test_a_worker_that_will_not_end_is_killed_at_the_deadline(supervisor, modules):
    text = definition("stubborn:Stubborn", 'timeout_stop = "3s"\n')
    one = supervisor({"stubborn": text})
    [pid] = one.ready("stubborn")
    began = time.monotonic()
    one.ctl("stop", "stubborn")
    assert 2.8 < time.monotonic() - began < 6
    assert not alive(pid)
    log = (one.home / "log" / "stubborn-1.log").read_text()
    assert "in shutdown" in log, "its stacks were to be dumped before"


def test_a_worker_that_never_gets_ready_is_killed_and_its_stack_is_in_the_log(supervisor, modules):
    limits = 'timeout_start = "700ms"\ntimeout_stop = "2s"\n'
    one = supervisor({"slow": definition("stubborn:Slow", limits)})

    def timed_out():
        ends = [run["last_end"] for run in one.status("slow")["instances"]]
        return [end for end in ends if end and "start-timeout" in end["text"]]

    until(timed_out, 10)
    log = one.home / "log" / "slow-1.log"
    # In a crowd its imports may take longer than that; it is tried again, and has them then.
    until(lambda: "in init_servers" in log.read_text(), 20)


def test_an_import_that_hangs_is_killed_and_its_stack_is_in_the_log(supervisor, service_module):
    service_module("hanging", "import time\n\ndef forever():\n    time.sleep(600)\n\nforever()\n")
    text = definition("hanging:X", 'timeout_start = "2s"\nrestart = "no"\n')
    one = supervisor({"hanging": text})
    until(lambda: one.status("hanging")["state"] == "failed", 10)
    assert "start-timeout" in one.status("hanging")["note"]
    assert "in forever" in (one.home / "log" / "hanging-1.log").read_text()


def test_a_blocked_loop_is_seen_dumped_and_replaced(steady):
    watchdog = 'watchdog = "200ms"\nwatchdog_timeout = "200ms"\nwatchdog_failures = 2\n'
    one = steady(watchdog)
    [first] = one.pids("steady")
    one.ctl("call", "steady", "block")
    until(lambda: [pid for pid in one.pids("steady") if pid != first], 15)
    [run] = one.status("steady")["instances"]
    assert "watchdog" in run["last_end"]["text"]
    log = (one.home / "log" / "steady-1.log").read_text()
    assert "Current thread" in log


def test_what_a_worker_has_started_ends_with_it(steady):
    one = steady()
    child = int(one.ctl("call", "steady", "leave_a_child").stdout)
    assert alive(child)
    one.ctl("stop", "steady")
    until(lambda: not alive(child))


def test_a_stop_finishes_what_is_being_answered(steady):
    one = steady()
    import threading

    answers = []
    asking = threading.Thread(target=lambda: answers.append(one.get("/slow?seconds=1")))
    asking.start()
    until(lambda: one.status("steady")["in_flight"])
    one.ctl("stop", "steady")
    asking.join()
    assert answers[0].status == 200


def test_a_worker_has_a_clean_environment(steady):
    import json

    os.environ["LEAKED_SECRET"] = "x"
    try:
        one = steady('[environment]\nMINE = "yes"\n')
    finally:
        del os.environ["LEAKED_SECRET"]
    found = json.loads(one.ctl("call", "steady", "environment", "-o", "json").stdout)
    assert "LEAKED_SECRET" not in found
    assert (found["MINE"], found["KETTLINGARD_SERVICE"]) == ("yes", "steady")
    assert "KETTLINGARD_CHANNEL" not in found


def test_sigterm_stops_dependents_first(steady):
    after = definition("steady:Steady", '[dependencies]\nrequires = ["steady"]\n')
    one = steady(second=after)
    one.ready("second")
    home = one.home
    one.stop()
    log = (home / "log" / "kettlingard.log").read_text()
    assert log.index("exited service=second") < log.index("stop asked service=steady")


def test_a_service_waits_for_what_it_requires(supervisor, modules):
    first = definition("stubborn:Slow", 'timeout_start = "60s"\ntimeout_stop = "1s"\n')
    one = supervisor(
        {
            "slow": first,
            "steady": definition("steady:Steady", '[dependencies]\nrequires = ["slow"]\n'),
        }
    )
    status = one.status("steady")
    assert (status["state"], status["note"]) == ("waiting", "waits for slow (ready)")
    assert one.ctl("stop", "slow", check=False).returncode == 1
    one.ctl("stop", "slow", "steady")


def test_a_second_supervisor_is_refused_and_touches_nothing(steady):
    import subprocess

    from tests.supervision import UP

    one = steady()
    again = subprocess.run(
        [*UP, "up", "--home", str(one.home)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert again.returncode == 1
    assert f"pid {one.pid}" in again.stderr
    assert one.get("/pid").status == 200


def test_a_second_sigterm_hurries(supervisor, modules):
    one = supervisor({"stubborn": definition("stubborn:Stubborn", 'timeout_stop = "50s"\n')})
    one.ready("stubborn")
    os.kill(one.pid, signal.SIGTERM)
    until(lambda: one.status("stubborn")["state"] == "stopping")
    began = time.monotonic()
    os.kill(one.pid, signal.SIGTERM)
    one.stop(within=10)
    assert 3 < time.monotonic() - began < 8


def test_all_services_together_have_the_daemons_timeout_stop(supervisor, modules):
    one = supervisor({"stubborn": definition("stubborn:Stubborn", 'timeout_stop = "50s"\n')})
    (one.home / "kettlingard.toml").write_text('[daemon]\ntimeout_stop = "3s"\n')
    one.ctl("daemon", "reload-config")
    one.ready("stubborn")
    began = time.monotonic()
    one.stop(within=10)
    assert 2 < time.monotonic() - began < 8


def test_sigint_ends_it_in_order_too(steady):
    one = steady()
    [pid] = one.pids("steady")
    os.kill(one.pid, signal.SIGINT)
    assert one.process.wait(10) == 0
    assert not alive(pid)
    one.stop()
