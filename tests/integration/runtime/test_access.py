"""Who is at the door, and the process behind it: callers, detachment, niceness, drain."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from kettlingar.sync import BlockingClient
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
    pid = start_kitten(Settled).proxy.pid()
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    assert os.readlink(f"/proc/{pid}/fd/1").endswith("/Chair.log")
    terminal = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4]
    assert terminal == "0"


def test_niceness_and_umask_are_those_of_the_settings(start_kitten):
    pid = start_kitten(Settled, "--worker-nice=3", "--worker-umask=027").proxy.pid()
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 3
    assert "Umask:\t0027" in Path(f"/proc/{pid}/status").read_text()


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
