"""A request becomes a process: fork, prepare, exec; and how far that came.

    parent                         child
    block signals, fork  ────────▶ defaults for signals, session, limits, ids, ...
    "go"                 ────────▶ exec: the socket closes by itself = started
    watch the socket               or: "step errno" into the socket, _exit
      closed: started
      text:   SpawnError(step)

A parent that dies before it said "go" has never had this child: it ends.

Only for a single-threaded process: between fork and exec the child runs Python,
which may not happen while another thread holds a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import gc
import os
import select
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kettlingar.worker.forked import (
    drop_privileges,
    enter_directory,
    set_limits,
    set_priority,
    tell,
)
from kettlingard.errors import SpawnError

PATIENCE = 5.0  # seconds until exec; a folder on a dead file server may hang a child for ever
_GO = b"g"
_SIGNALS = tuple(int(number) for number in signal.valid_signals())


@dataclass(frozen=True, slots=True)
class Ids:
    """Whose rights the process gets; needs root."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """What to start. The descriptors stay the caller's; the child gets copies.

    `argv[0]` without a slash is looked up in the PATH of `env`. `fds` are pairs
    (ours, the child's number); the child has these, 0 = /dev/null, and
    1 = 2 = `stdout_fd` (None: /dev/null), and nothing else.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    fds: Sequence[tuple[int, int]] = ()
    stdout_fd: int | None = None
    umask: int = 0o022
    nice: int = 0
    oom_score_adjust: int = 0
    rlimits: Sequence[tuple[int, int, int]] = ()  # resource.RLIMIT_..., soft, hard
    no_new_privileges: bool = True
    ids: Ids | None = None  # None: ours
    cgroup: str = ""  # folder of the control group that it is to be in; "" = ours


class Child:
    """A process, held by its pidfd: signals reach it or nobody, never a recycled pid."""

    __slots__ = ("pid", "pidfd")

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd  # ours to close; -1 once closed

    def send(self, number: int) -> bool:
        """Send a signal. False if the process has ended already (or the child was closed)."""
        if self.pidfd < 0:
            return False
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        """Let go of it; it goes on living."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class Spawning:
    """A child between fork and exec. Owns the socket to it, and the child until it has started."""

    def __init__(self, child: Child, report: int) -> None:
        self.child = child
        self._report = report
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def go(self) -> None:
        """Let it execute its program."""
        with contextlib.suppress(OSError):  # it has ended: why will be known
            os.write(self._report, _GO)

    def result(self, timeout: float = PATIENCE) -> Child:
        """Wait until exec, `timeout` seconds at most.

        Raises SpawnError; the child is gone then.
        """
        waiting = select.poll()
        waiting.register(self._report, select.POLLIN)
        if not waiting.poll(timeout * 1000):
            return self._give_up("start", errno.ETIMEDOUT)
        try:
            text = os.read(self._report, 4096).decode(errors="replace")
        except ConnectionResetError:  # it was killed before it had read that it may go
            return self._give_up("start", errno.ECONNRESET)
        if text:
            step, number, subject = text.split("\n", 2)
            return self._give_up(step, int(number), subject)
        os.close(self._report)
        return self.child

    def when_known(
        self, loop: asyncio.AbstractEventLoop, tell: Callable[[Child | SpawnError], None]
    ) -> None:
        """Let it go; call `tell` from `loop` with the started child, or what kept it from that."""
        self.go()

        def known() -> None:
            loop.remove_reader(self._report)
            timer.cancel()
            outcome: Child | SpawnError
            try:
                outcome = self.result(timeout=0)
            except SpawnError as why:
                outcome = why
            tell(outcome)

        loop.add_reader(self._report, known)
        timer = loop.call_later(PATIENCE, known)

    def _give_up(self, step: str, number: int, subject: str = "") -> Child:
        os.close(self._report)
        self.child.send(signal.SIGKILL)
        if number != errno.ETIMEDOUT:  # one that hangs in the kernel is left to the reaper
            _collect(self.child.pidfd)
        self.child.close()
        raise SpawnError(step, number, subject)


def spawn(request: SpawnRequest) -> Child:
    """Start a process, and wait (some milliseconds) until it runs its program.

    Raises SpawnError.
    """
    spawning = begin(request)
    spawning.go()
    return spawning.result()


def begin(request: SpawnRequest) -> Spawning:
    """Fork; the outcome comes after `go`. Raises SpawnError if there cannot be a new process."""
    report, told = (one.detach() for one in socket.socketpair())
    # A signal between fork and exec would run our handlers in the child, and
    # write into the event loop's own wake-up socket.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _child(request, told)
        return Spawning(Child(pid, os.pidfd_open(pid)), report)
    except OSError as why:
        os.close(report)
        raise SpawnError("fork", why.errno or 0) from why
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(told)


def _collect(pidfd: int) -> None:
    with contextlib.suppress(ChildProcessError):  # the reaper's sweep was faster
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)


# --- the child's side: never returns ----------------------------------------


def _child(request: SpawnRequest, told: int) -> NoReturn:
    step, subject = "fork", ""
    try:
        gc.disable()  # no finalizer of the supervisor's may run here
        told = fcntl.fcntl(told, fcntl.F_DUPFD_CLOEXEC, _floor(request))
        for name, prepare in _STEPS:
            step = name
            prepare(request, told)
    except OSError as why:
        subject = str(why.filename or (request.argv[0] if step == "exec" else ""))
        tell(told, step, why.errno or 0, subject)
    except BaseException as why:  # noqa: BLE001 - whatever it is, this copy of us must end here
        tell(told, step, errno.EINVAL, f"{type(why).__name__}: {why}")
    finally:
        os._exit(127)


def _floor(request: SpawnRequest) -> int:
    """The lowest number above all that the child is to have."""
    return max([2, *(number for _, number in request.fds)]) + 1


def _signals(_request: SpawnRequest, _told: int) -> None:
    signal.set_wakeup_fd(-1)
    # As the kernel has them, since a loop's library may have set some behind Python's back.
    status = Path("/proc/self/status").read_text()
    changed = _mask(status, "SigIgn:") | _mask(status, "SigCgt:")
    for number in _SIGNALS:
        if changed >> (number - 1) & 1:
            signal.signal(number, signal.SIG_DFL)  # exec keeps what is ignored, as SIGPIPE is
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _mask(status: str, name: str) -> int:
    start = status.index(name) + len(name)
    return int(status[start : status.index("\n", start)], 16)


def _session(_request: SpawnRequest, _told: int) -> None:
    os.setsid()


def _cgroup(request: SpawnRequest, _told: int) -> None:
    if request.cgroup:
        Path(request.cgroup, "cgroup.procs").write_text("0")  # the writer


def _ids(request: SpawnRequest, _told: int) -> None:
    if request.ids:
        os.setgroups(request.ids.groups)
        os.setresgid(request.ids.gid, request.ids.gid, request.ids.gid)
        os.setresuid(request.ids.uid, request.ids.uid, request.ids.uid)


def _descriptors(request: SpawnRequest, told: int) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    output = null if request.stdout_fd is None else request.stdout_fd
    wanted = [(null, 0), (output, 1), (output, 2), *request.fds]
    # First out of the way of all numbers that are to be given, then into place.
    moved = [(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, told + 1), number) for fd, number in wanted]
    for fd, number in moved:
        os.dup2(fd, number, inheritable=True)
    keep = {told, *(number for _, number in wanted)}
    for fd in {int(name) for name in os.listdir("/proc/self/fd")} - keep:
        with contextlib.suppress(OSError):  # the listing's own
            os.close(fd)


def _wait(_request: SpawnRequest, told: int) -> None:
    if os.read(told, len(_GO)) != _GO:
        os._exit(0)


def _exec(request: SpawnRequest, _told: int) -> None:
    env = dict(request.env)
    if "LISTEN_FDS" in env:
        env["LISTEN_PID"] = str(os.getpid())  # who has inherited them by accident must not use them
    os.execvpe(request.argv[0], list(request.argv), env)  # noqa: S606 - our purpose


def _of_request(step: Callable[[SpawnRequest], None]) -> Callable[[SpawnRequest, int], None]:
    return lambda request, _told: step(request)


# Descriptors come before a limit that may be lower than the supervisor's numbers;
# limits and priority before the ids, which may take away the right to set them;
# the folder is entered with the service's own rights.
_STEPS: tuple[tuple[str, Callable[[SpawnRequest, int], None]], ...] = (
    ("signals", _signals),
    ("session", _session),
    ("cgroup", _cgroup),
    ("descriptors", _descriptors),
    ("limits", _of_request(set_limits)),
    ("priority", _of_request(set_priority)),
    ("ids", _ids),
    ("directory", _of_request(enter_directory)),
    ("privileges", _of_request(drop_privileges)),
    ("wait", _wait),
    ("exec", _exec),
)
