"""Nothing polls: an idle service, and an idle client, make no system call at all.

What polls does so all the time. What is still at the end of something when it is looked at
(and in a crowd that takes long) is not: so a process is given time to come to rest, and one
that is seen at work is looked at again; if it is at work each time, it polls.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from kettlingar.sync import BlockingClient
from tests.helpers import ROOT, wait_for

from .processes import served

SECONDS = 10.0 if os.environ.get("KETTLINGAR_LONG") else 0.8
FEW = 2  # one that was under way when strace came, one when it goes
LOOKS = 3
REST = 0.1  # seconds without waking up, after which a process is at rest

CLIENT = """
import asyncio, sys
from kettlingar.calls.client import Client, FileEndpoint
from kettlingar.sync import BlockingClient

folder, kind = sys.argv[1:]
if kind == "blocking":
    client = BlockingClient.by_files(folder, "Target")
    client.call("seen", 1)
    print("idle", flush=True)
    sys.stdin.read()
else:
    from kettlingar._compat import loop_factory
    async def main():
        client = Client(FileEndpoint(folder, "Target"))
        await client.connect()
        await client.seen(1)
        print("idle", flush=True)
        await asyncio.Event().wait()
    asyncio.Runner(loop_factory=loop_factory(kind)).run(main())
"""


def calls_of(pid: int, folder, seconds: float = SECONDS) -> tuple[int, str]:
    """How many system calls the process makes in so many seconds, and strace's table of them."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    table = folder / "strace.table"
    tracer = subprocess.Popen(
        [strace, "-c", "-f", "-qq", "-o", str(table), "-p", str(pid)], stderr=subprocess.PIPE
    )
    try:
        wait_for(lambda: tracer.poll() is not None or traced(pid), 5, "strace is attached")
        if tracer.poll() is not None:
            pytest.skip(f"strace may not look: {tracer.stderr.read().decode().strip()}")
        time.sleep(seconds)  # a figure per time: there is no fact to wait for
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(5)
        tracer.stderr.close()
    text = table.read_text()
    total = re.search(
        r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)(?:\s+\d+)?\s+total$", text, re.MULTILINE
    )
    return (int(total[1]) if total else 0), text


def calls_at_rest(pid: int, folder: Path) -> tuple[int, str]:
    """The fewest of a few looks, each of which begins when the process is at rest, if it ever is."""
    looks = []
    for _ in range(LOOKS):
        settle(pid)
        looks.append(calls_of(pid, folder))
        if looks[-1][0] <= FEW:
            break
        print(looks[-1][1])
    return min(looks)


def settle(pid: int, most: float = 2.0) -> None:
    """Wait until the process has not woken up for a while; one that polls never rests: go on."""
    end = time.monotonic() + most
    woken = wakeups(pid)
    while time.monotonic() < end:
        time.sleep(REST)
        before, woken = woken, wakeups(pid)
        if woken == before:
            return


def wakeups(pid: int) -> int:
    """How often its threads have waited for something."""
    threads = Path(f"/proc/{pid}/task").glob("*/status")
    waited = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)$", re.MULTILINE)
    told = (waited.search(thread.read_text()) for thread in threads)
    return sum(int(found[1]) for found in told if found)


def traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return not re.search(r"^TracerPid:\s+0$", status, re.MULTILINE)


@pytest.fixture(params=["asyncio", "uvloop"])
def service(request, tmp_path):
    with served("tests.faults.target", tmp_path, "Target", f"--worker-loop={request.param}") as one:
        yield one


def test_strace_would_see_a_service_that_polls(tmp_path):
    program = "import time\nprint(1, flush=True)\nwhile True: time.sleep(0.2)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        calls, table = calls_at_rest(process.pid, tmp_path)
        process.kill()
    assert calls > FEW, table


def test_an_idle_service_makes_no_system_call(service, tmp_path):
    calls, table = calls_at_rest(service.pid, tmp_path)
    print(f"\nidle service: {calls} calls in {SECONDS:g} s")
    assert calls <= FEW, table


def test_a_service_with_idle_connections_makes_no_system_call(service, tmp_path):
    clients = [BlockingClient.by_files(service.socket_path.parent, "Target") for _ in range(20)]
    for number, client in enumerate(clients):
        client.call("seen", number, call_allow_unix=bool(number % 2))
    calls, table = calls_at_rest(service.pid, tmp_path)
    for client in clients:
        client.close()
    print(f"\nservice with 20 idle connections: {calls} calls in {SECONDS:g} s")
    assert calls <= FEW, table


@contextmanager
def idle_client(service, kind):
    command = [sys.executable, "-c", CLIENT, str(service.socket_path.parent), kind]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe) as process:
        assert process.stdout.readline() == b"idle\n"
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize("kind", ["asyncio", "uvloop", "blocking"])
def test_an_idle_client_makes_no_system_call(tmp_path, kind):
    with (
        served("tests.faults.target", tmp_path, "Target") as service,
        idle_client(service, kind) as pid,
    ):
        calls, table = calls_at_rest(pid, tmp_path)
    print(f"\nidle {kind} client: {calls} calls in {SECONDS:g} s")
    assert calls <= FEW, table
