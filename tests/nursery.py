"""Supervisors without the start of an interpreter: forked from a process that has imported them.

Hundreds of tests start one, and a fifth of a second each time is a minute. From `main` on it is
the same program, in a session of its own; what a real start does is tested by tests of that.

    pytest ──request, log, report──▶ nursery ──forks──▶ warden ──forks──▶ kettlingard
       ▲                                                   │ waits for it
       └──────────────── its pid, then its status ─────────┘
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_NUMBER = struct.Struct("i")
_REQUEST = 1 << 20  # bytes, with an environment


class Nursery:
    """The tests' side. `argv` of what is born here is as if it had been executed."""

    def __init__(self, cwd: Path, env: Mapping[str, str]) -> None:
        self._born_with = _fixed(env)
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from tests.nursery import main; main()"],
                stdin=theirs,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.births = 0

    def can_bear(self, env: Mapping[str, str]) -> bool:
        """What an interpreter reads when it starts cannot be changed afterwards."""
        return _fixed(env) == self._born_with

    def bear(self, argv: Sequence[str], log: int, cwd: Path) -> Newborn:
        """Start it, with `log` as its output."""
        self.births += 1
        ours, theirs = socket.socketpair()
        with theirs:
            request = json.dumps([list(argv), str(cwd), dict(os.environ)]).encode()
            socket.send_fds(self._sock, [request], [log, theirs.fileno()])
        return Newborn(ours)

    def close(self) -> None:
        self._sock.close()
        self._process.wait(10)


def _fixed(env: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in env.items() if key.startswith(("PYTHON", "LC_", "LANG"))}


class Newborn:
    """As much of `subprocess.Popen` as tests of a supervisor use."""

    def __init__(self, report: socket.socket) -> None:
        self._report = report
        self.returncode: int | None = None
        (self.pid,) = _NUMBER.unpack(report.recv(_NUMBER.size))

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(["kettlingard"], timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, within: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], within)[0]:
            said = self._report.recv(_NUMBER.size)
            self._report.close()
            self.returncode = _NUMBER.unpack(said)[0] if said else -signal.SIGKILL
        return self.returncode


# --- the nursery's side -------------------------------------------------------


def main() -> None:
    """Bear what is asked for on standard input, until nobody can ask any more."""
    import kettlingard.main
    import kettlingard.up  # noqa: F401  what `main` imports when it is asked to
    from kettlingar._compat import set_process_title

    set_process_title("nursery of the tests")  # before the environment is another
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # wardens: nobody waits for them
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as asked:
        while True:
            data, fds, _, _ = socket.recv_fds(asked, _REQUEST, 2)
            if not data:
                return
            if os.fork() == 0:
                asked.close()
                _warden(*json.loads(data), *fds)
            for fd in fds:
                os.close(fd)


def _warden(argv: list[str], cwd: str, env: dict[str, str], log: int, report: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(report)
        sys.exit(_born(argv, cwd, env, log))
    os.write(report, _NUMBER.pack(pid))
    os.close(log)
    os.write(report, _NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    os._exit(0)


def _born(argv: list[str], cwd: str, env: dict[str, str], log: int) -> int:
    from kettlingar._compat import set_process_title
    from kettlingard.main import main as kettlingard

    os.setsid()
    os.chdir(cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, 16)
    os.environ.clear()
    os.environ.update(env)
    set_process_title(" ".join(argv))
    sys.orig_argv[:] = argv
    sys.argv[:] = [argv[1], *argv[3:]]  # of: python -c PROGRAM argument ...
    random.seed()
    return kettlingard()
