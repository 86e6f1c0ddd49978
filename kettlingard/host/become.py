"""This process as another program: tried as a child first, then put in its own place."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from msgspec import Struct

from kettlingard.errors import SpawnError

from . import spawn
from .reap import ExitStatus, Reaper

REHEARSAL = "KETTLINGARD_REHEARSAL"  # names the descriptor of the state, in the child
UPGRADE = "KETTLINGARD_UPGRADE"  # the same, in ourselves
_STATE = 3
_BLOCKED = {
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
}


class Program(Struct, frozen=True):
    """How this process was started: the same words start its next version."""

    argv: Sequence[str]
    cwd: str


def own_program() -> Program:
    """To be asked before anybody changes the working directory."""
    return Program([sys.executable, *sys.orig_argv[1:]], os.getcwd())


def taken(name: str) -> bytes | None:
    """The state that came with this variable, which is removed; None if there is none."""
    number = os.environ.pop(name, "")
    if not number.isdigit():
        return None
    fd = int(number)
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def to_memfd(data: bytes) -> int:
    """A descriptor, not inherited, with these bytes."""
    fd = os.memfd_create("kettlingard-state", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd


async def rehearse(reaper: Reaper, program: Program, state: bytes, seconds: float) -> str:
    """Let a child be the program with this state; "" if it says ready, else why not."""
    loop = asyncio.get_running_loop()
    fd, said = to_memfd(state), to_memfd(b"")
    child: spawn.Child | None = None
    try:
        spawning = spawn.begin(
            spawn.SpawnRequest(
                argv=program.argv,
                env={**os.environ, REHEARSAL: str(_STATE)},
                cwd=program.cwd,
                fds=[(fd, _STATE)],
                stdout_fd=said,
                no_new_privileges=False,
            )
        )
        started: asyncio.Future[spawn.Child | SpawnError] = loop.create_future()
        spawning.when_known(loop, started.set_result)
        outcome = await started
        if isinstance(outcome, SpawnError):
            return str(outcome)
        child = outcome
        ended: asyncio.Future[ExitStatus] = loop.create_future()
        reaper.watch(child.pid, child.pidfd, ended.set_result)
        async with asyncio.timeout(seconds):
            status = await ended
    except SpawnError as why:
        return str(why)
    except TimeoutError:
        return f"it was not ready after {seconds:g} s"
    finally:
        words = os.pread(said, 64 * 1024, 0).decode(errors="replace").strip().splitlines()
        os.close(fd)
        os.close(said)
        if child is not None:
            child.send(signal.SIGKILL)
            reaper.forget(child.pid)
            child.close()
    last = words[-1] if words else "it said nothing"
    return "" if status.code == 0 and last == "ready" else f"{last} ({status})"


def become(program: Program, state: bytes, keep: Iterable[int]) -> NoReturn:
    """Be the program, with these descriptors. Raise OSError; then nothing has changed."""
    here = os.getcwd()
    fd = to_memfd(state)
    kept = [fd, *keep]
    # Who sends a signal now must find a handler, and not the kernel's own answer.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        for number in kept:
            os.set_inheritable(number, True)
        os.chdir(program.cwd)
        env = {**os.environ, UPGRADE: str(fd)}
        os.execve(program.argv[0], list(program.argv), env)  # noqa: S606  our purpose
    finally:
        os.chdir(here)
        for number in kept:
            os.set_inheritable(number, False)
        os.close(fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear_again() -> None:
    """The handlers are there: let in the signals that waited."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
