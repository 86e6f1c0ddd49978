"""One fork that somebody waits for: the order, and the descriptors that go with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from msgspec import Struct

from kettlingar.transport.fdpass import close_all
from kettlingar.transport.forking import Fork
from kettlingard.host.spawn import Spawning, SpawnRequest

Tell = Callable[[Spawning | None], None]


class Asked(Struct):
    """Owns the descriptors: all until they are sent, then the end of the report pipe."""

    order: Fork
    fds: list[int]  # to be sent: channel, log, report
    report: int  # where the worker reports; goes into the Spawning
    tell: Tell
    timer: asyncio.TimerHandle
    sent: bool = False

    def forget(self) -> None:
        """Close what nobody will use."""
        close_all([self.report, *([] if self.sent else self.fds)])


def prepare(number: int, request: SpawnRequest) -> tuple[Fork, list[int], int]:
    """The order, copies of the descriptors that go with it, and where the worker will report.

    Raise OSError if there are no more descriptors.
    """
    assert request.stdout_fd is not None
    report, told = os.pipe2(os.O_CLOEXEC)
    fds: list[int] = []
    try:
        for fd in (request.fds[0][0], request.stdout_fd):
            fds.append(os.dup(fd))  # noqa: PERF401  those before a failure are to be closed
        group = _group(request)
    except OSError:
        close_all([*fds, report, told])
        raise
    return _order(number, request), [*fds, told, *group], report


def _group(request: SpawnRequest) -> list[int]:
    """Opened with our rights, which then are those that count (cgroup-v2.rst, Delegation)."""
    if not request.cgroup:
        return []
    return [os.open(f"{request.cgroup}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)]


def _order(number: int, request: SpawnRequest) -> Fork:
    return Fork(
        number=number,
        env=dict(request.env),
        cwd=request.cwd,
        umask=request.umask,
        nice=request.nice,
        oom_score_adjust=request.oom_score_adjust,
        rlimits=list(request.rlimits),
        no_new_privileges=request.no_new_privileges,
    )
