"""A worker that this process has started before it became its present version.

Its channel was never closed: it has noticed nothing.
"""

from __future__ import annotations

import socket
from typing import TypeVar

import msgspec

from kettlingar.transport import messages
from kettlingard.core.passage import PassedRun
from kettlingard.core.snapshot import RunRecord
from kettlingard.host import procid, spawn

from .process import Worker

M = TypeVar("M", bound=messages.Message)


def pack(worker: Worker) -> PassedRun:
    """What of a worker is to be passed on, but its connections."""
    assert worker.child is not None
    return PassedRun(
        channel=worker.spoken_on,
        pidfd=worker.child.pidfd,
        adopted=worker.adopted,
        hello=None if worker.hello is None else msgspec.to_builtins(worker.hello),
        ready=None if worker.ready is None else msgspec.to_builtins(worker.ready),
        status=worker.status,
    )


def unpack(worker: Worker, record: RunRecord, passed: PassedRun) -> None:
    """Have a new Worker or Program be the one that was packed; it begins later."""
    worker.adopted, worker.status = passed.adopted, passed.status
    worker.hello = _message(passed.hello, messages.Hello)
    worker.ready = _message(passed.ready, messages.Ready)
    child = spawn.Child(record.pid, passed.pidfd)
    spoken_on = socket.socket(fileno=passed.channel)
    worker.take(child, spoken_on, procid.ProcId(record.pid, record.start))


def _message(data: dict[str, object] | None, kind: type[M]) -> M | None:
    return None if data is None else msgspec.convert(data, kind)
