"""A zygote without a supervisor: the test itself is told what becomes of its workers."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import msgspec
import pytest

from kettlingar.transport.channel import channel_pair
from kettlingar.transport.fdpass import close_all, send_fds
from kettlingar.transport.forking import Fork, FromZygote, Preload
from tests.helpers import ROOT

PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def subreaper():
    """This process gets the orphans among its descendants, as the daemon does."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


class Direct:
    """A zygote at the other end of a channel."""

    def __init__(self, python_path=(), modules=()):
        self.sock, theirs = channel_pair()
        self.sock.settimeout(10)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "kettlingar", "zygote"],
                env={**os.environ, "KETTLINGARD_CHANNEL": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )
        self.number = 0
        self.say(Preload([str(one) for one in python_path], list(modules)))
        self.first = self.hear()

    def say(self, message, fds=()):
        send_fds(self.sock, msgspec.msgpack.encode(message), fds)

    def hear(self):
        return msgspec.msgpack.decode(self.sock.recv(65536), type=FromZygote)

    def fork(self, **more):
        """Order a worker that finds its channel closed; return the answer, and what it reports."""
        self.number += 1
        env = {"PATH": "/bin", "KETTLINGAR_TEST": os.environ["KETTLINGAR_TEST"]}
        order = Fork(**{"number": self.number, "env": env, "cwd": "/", "umask": 0o022, **more})
        ours, theirs = channel_pair()
        report, told = os.pipe()
        log = os.open(os.devnull, os.O_WRONLY)
        self.say(order, [theirs.fileno(), log, told])
        close_all([log, told])
        theirs.close()
        ours.close()
        answer = self.hear()
        with os.fdopen(report) as reported:
            return answer, reported.read()

    def close(self):
        self.sock.close()
        try:
            self.process.wait(5)
        finally:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def direct(subreaper):
    """`direct(python_path, modules)`: a zygote that has answered its Preload."""
    made = []

    def make(*arguments):
        made.append(Direct(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def exit_of(pid, within=10):
    """How a child of ours ended: its exit code, or minus a signal."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    raise AssertionError(f"{pid} did not end within {within} s")
