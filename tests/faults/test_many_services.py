"""Hundreds of services at once: `status` answers while they come up and after, an idle supervisor is
idle, and a restart concerns one.

Figures, and minutes: KETTLINGAR_LONG=1, make chaos.
"""

import os
import threading
import time
from contextlib import closing, contextmanager
from statistics import median

import pytest

from kettlingar.sync import connect_control
from tests.faults.test_idle import calls_of
from tests.helpers import http_get, pick_port
from tests.helpers import wait_for as until

LONG = bool(os.environ.get("KETTLINGAR_LONG"))
SLEEPS, KITTENS = 200, 50
SOON = 0.05  # seconds for `status`
IDLE = 10.0  # seconds
SLEEP = '[service]\ntype = "simple"\nexec = ["sleep", "600"]\n'
KITTEN = """
    import os
    from kettlingar import RPCKitten

    class Cat(RPCKitten):
        async def public_api_pid(self, request):
            return "text/plain", str(os.getpid())
"""
TICKS = os.sysconf("SC_CLK_TCK")

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not LONG, reason="minutes of load: KETTLINGAR_LONG=1, make chaos"),
]


@pytest.fixture
def many(supervisor, service_module):
    """A supervisor of many services, how long `status` took meanwhile, and the kittens' ports."""
    service_module("cat", KITTEN)
    ports = {f"cat{n:03}": pick_port() for n in range(KITTENS)}
    cats = {name: kitten(port) for name, port in ports.items()}
    began = time.monotonic()
    one = supervisor({f"sleep{n:03}": SLEEP for n in range(SLEEPS)} | cats)
    with asking(one) as (looks, ready):
        assert ready.wait(120)
        seconds = time.monotonic() - began
        time.sleep(0.2)  # some more looks, at rest
    print(f"\n{SLEEPS} sleeps and {KITTENS} kittens ready after {seconds:.1f} s")
    return one, looks, ports


def kitten(port):
    return (
        '[service]\nkitten = "cat:Cat"\npython_path = ["{src}"]\n'
        f'listen = ["127.0.0.1:{port}"]\n[update]\nmonitor = 0\n'
    )


def all_ready(control):
    return all(one["state"] == "ready" for one in control.call("status")["services"])


@contextmanager
def asking(one):
    """Somebody asks for the status of all, again and again, and sees when all are ready."""
    looks, ready, stop = [], threading.Event(), threading.Event()

    def ask():
        with closing(connect_control(one.socket, timeout=30)) as control:
            while not stop.wait(0.03):
                began = time.monotonic()
                answer = control.call("status")
                looks.append(time.monotonic() - began)
                if all(one["state"] == "ready" for one in answer["services"]):
                    ready.set()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield looks, ready
    finally:
        stop.set()
        thread.join()


def said(what, seconds):
    usual, worst = median(seconds) * 1000, max(seconds) * 1000
    late = sorted(seconds)[int(len(seconds) * 0.99)] * 1000
    print(
        f"{what}: median {usual:.1f} ms, p99 {late:.1f} ms, worst {worst:.0f} ms ({len(seconds)})"
    )
    return usual / 1000


def test_status_answers_soon_while_many_come_up_and_when_they_are_there(many):
    one, looks, _ = many
    coming = said("status while they come up", looks)
    before = cpu(one.pid)
    with asking(one) as (looks, _):
        time.sleep(2.0)
    said("status at rest", looks)
    each = (cpu(one.pid) - before) / TICKS / len(looks)
    print(f"the supervisor's own time for each: {each * 1000:.1f} ms")
    commands = []
    for _ in range(5):
        began = time.monotonic()
        one.ctl("status", "-o", "json")
        commands.append(time.monotonic() - began)
    said("kettlingar ctl status -o json, as a process", commands)
    assert each < SOON  # its own time: how long it takes depends on who else runs
    assert coming < SOON * 20  # beside 250 starts, of which each takes some of its time


def cpu(pid):
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rpartition(b") ")[2].split()
    return int(fields[11]) + int(fields[12])


def test_an_idle_supervisor_of_many_uses_no_cpu(many, tmp_path):
    one, _, _ = many
    time.sleep(2.0)  # what a start leaves behind: stable_after, brakes
    before = cpu(one.pid)
    time.sleep(IDLE)
    used = cpu(one.pid) - before
    calls, table = calls_of(one.pid, tmp_path, IDLE)
    print(
        f"idle supervisor: {used} ticks of {1000 // TICKS} ms in {IDLE:g} s, {calls} system calls"
    )
    print(table)
    # A word to each kitten in ten seconds, and a look whether it was read; once, when it has been
    # ready for `stable_after`, a look at the service.
    assert used <= 1
    assert calls <= KITTENS * 8


def test_a_restart_of_one_disturbs_no_other(many):
    one, _, ports = many
    chosen = next(iter(ports))
    before = pids(one)
    assert one.ctl("restart", chosen).returncode == 0
    after = pids(one)
    assert after.pop(chosen) != before.pop(chosen)
    assert after == before
    assert all(http_get(f"http://127.0.0.1:{port}/pid")[0] == 200 for port in ports.values())


def pids(one):
    """Of all services, by their names."""
    with closing(connect_control(one.socket, timeout=30)) as control:
        services = control.call("status")["services"]
    return {s["name"]: [run["pid"] for run in s["instances"]] for s in services}


def test_the_status_of_five_hundred_instances_is_there_soon(supervisor):
    one = supervisor({"many": SLEEP + "[pool]\ninstances = 500\n"})
    with closing(connect_control(one.socket, timeout=30)) as control:
        until(lambda: all_ready(control), 120)
    before = cpu(one.pid)
    with asking(one) as (looks, _):
        time.sleep(2.0)
    said("status of 500 instances", looks)
    assert (cpu(one.pid) - before) / TICKS / len(looks) < SOON
