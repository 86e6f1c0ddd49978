"""Who is at the door, and the process behind it: callers, detachment, niceness, drain."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kettlingar import Unavailable
from kettlingar.sync import BlockingClient
from tests.faults.live import everything
from tests.helpers import alive

from .kittens import Tricks
from .settled import Settled


def test_the_plain_socket_needs_the_token_and_names_the_caller(run_kitten):
    one = run_kitten(Tricks)
    path = Path(one.kitten.config.app_state_dir) / "Test.sock"
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(path))
        stranger.sendall(b"GET /caller HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 403 " in stranger.recv(4096)
    assert one.proxy.call("caller")["uid"] == os.getuid()
    assert one.proxy.call("caller", call_allow_unix=False) is None
    wrong = BlockingClient(lambda: _connected(path), token="wrong")
    try:
        wrong.call("caller")
    except PermissionError:
        pass
    else:
        raise AssertionError("a wrong token opened the door")
    finally:
        wrong.close()


def _connected(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    return sock


def test_a_started_service_is_detached_from_whoever_started_it(start_kitten):
    one = start_kitten(Settled)
    pid = one.proxy.pid()
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    assert os.readlink(f"/proc/{pid}/fd/1").endswith("/Chair.log")
    terminal = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4]
    assert terminal == "0"
    assert not one.proxy.has_loaded("multiprocessing")


def test_niceness_and_umask_are_those_of_the_settings(start_kitten):
    pid = start_kitten(Settled, "--worker-nice=3", "--worker-umask=027").proxy.pid()
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 3
    assert "Umask:\t0027" in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.parametrize("way", ["unix", "tcp", "json"])
def test_who_is_cut_off_at_the_end_of_a_drain_is_told(start_kitten, wait_for, way):
    one = start_kitten(Settled, "--worker-drain-timeout=0.2")
    pid = one.proxy.pid()
    options = {"unix": {}, "tcp": {"call_allow_unix": False}, "json": {"call_use_json": True}}[way]
    items = one.proxy.count(1000, pause=0.02, **options)
    assert next(items) == {"number": 0}
    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(one.proxy.rest, 30, **options)
        wait_for(lambda: one.proxy.resting() == 1)
        os.kill(pid, signal.SIGTERM)
        with pytest.raises(Unavailable, match="the service ended before this was done"):
            call.result(5)
    got = []
    with pytest.raises(Unavailable, match="the service ended before this was done"):
        got.extend(items)
        got.extend(items)
    wait_for(lambda: not alive(pid))


def test_a_page_is_told_by_an_event_and_a_raw_answer_is_only_closed(start_kitten):
    one = start_kitten(Settled, "--worker-drain-timeout=0.2")
    with _asked(one, "events") as events, _asked(one, "half") as half, _asked(one, "rest") as rest:
        for sock in (events, half):
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
        os.kill(one.proxy.pid(), signal.SIGTERM)
        said = [everything(sock) for sock in (events, half, rest)]
    assert (
        said[0].partition(b"\r\n")[2].startswith(b'event: error\ndata: {"error":"the service ended')
    )
    assert not said[0].endswith(b"0\r\n\r\n")
    assert said[1] == b""
    assert said[2].startswith(b"HTTP/1.1 503 ")
    assert b"\r\nConnection: close\r\n" in said[2]
    assert b"\r\nRetry-After: 1\r\n" in said[2]


def _asked(one, name):
    sock = socket.create_connection(("127.0.0.1", one.port), 5)
    sock.sendall(f"GET /{one.secret}/{name} HTTP/1.1\r\nHost: k\r\n\r\n".encode())
    return sock


def test_the_queue_of_connections_that_wait_is_as_long_as_the_setting_says(start_kitten):
    if shutil.which("ss") is None:
        pytest.skip("ss is not installed")
    for options, length in ((["--worker-listen-queue=77"], "77"), ([], "1024")):
        one = start_kitten(Settled, *options)
        command = ["ss", "-Hltn", "sport", "=", f":{one.port}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        assert said.stdout.split()[2] == length


def test_a_drain_is_bounded_by_its_timeout(start_kitten, wait_for):
    one = start_kitten(Settled, "--worker-drain-timeout=0.3")
    pid = one.proxy.pid()
    items = one.proxy.count(1000, pause=0.05)
    next(items)
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not alive(pid))
    assert 0.2 < time.monotonic() - began < 4
    items.close()
