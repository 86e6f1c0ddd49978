"""What a supervisor takes along when it becomes its next version: beside the snapshot, what may
not be on disk (secrets) and what only this process has (descriptors, by their numbers).

It is read as tolerantly as the snapshot: the writer may have been another version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from .custody import Stage
from .snapshot import SnapshotError


class PassedConnection(Struct, frozen=True):
    """A connection in our custody."""

    number: int
    listener: str  # host:port or /path.sock
    stage: Stage
    fd: int = -1  # our copy, if there is one
    waited: float = 0.0
    answered: bool = False


class PassedRun(Struct, frozen=True):
    """A worker: its channel, its process, what it has said, what it has."""

    channel: int
    pidfd: int
    adopted: bool = False
    hello: dict[str, Any] | None = None
    ready: dict[str, Any] | None = None
    status: str = ""
    connections: Sequence[PassedConnection] = ()
    inherited: Sequence[int] = ()


class PassedCaller(Struct, frozen=True):
    """A local client's connection to a worker."""

    number: int
    run: int
    uid: int
    gids: frozenset[int] = frozenset()
    service: str = ""
    methods: frozenset[str] | None = None


class PassedService(Struct, frozen=True):
    """One service."""

    secret: str
    next_number: int = 1  # of connections
    counts: Mapping[str, int] = field(default_factory=dict)
    listeners: Mapping[str, int] = field(default_factory=dict)
    held: Sequence[PassedConnection] = ()
    runs: Mapping[int, PassedRun] = field(default_factory=dict)
    callers: Sequence[PassedCaller] = ()


class PassedShared(Struct, frozen=True):
    """The listeners of kettlingard.toml, and connections whose next request was not placed yet."""

    listeners: Mapping[str, int] = field(default_factory=dict)
    waiting: Sequence[tuple[str, int]] = field(
        default_factory=list
    )  # address of the listener, descriptor


class Passage(Struct, frozen=True):
    """All of it."""

    lock: int
    control: int  # the listening socket
    files: tuple[int, int]  # limits of open files, as workers get them
    upgrades: int = 0
    custodian: int = -1  # pidfd of the one that watches until there is another
    services: Mapping[str, PassedService] = field(default_factory=dict)
    shared: PassedShared = PassedShared()

    def descriptors(self) -> Iterator[int]:
        """All that must stay open."""
        yield self.lock
        yield self.control
        if self.custodian >= 0:
            yield self.custodian
        yield from self.shared.listeners.values()
        yield from (fd for _, fd in self.shared.waiting)
        for service in self.services.values():
            yield from service.listeners.values()
            connections = list(service.held)
            for run in service.runs.values():
                yield from (run.channel, run.pidfd)
                connections += run.connections
            yield from (one.fd for one in connections if one.fd >= 0)


def dump_passage(passage: Passage) -> dict[str, Any]:
    """As plain data."""
    data: dict[str, Any] = msgspec.to_builtins(passage, str_keys=True)
    return data


def load_passage(data: object) -> Passage:
    """Read what `dump_passage` wrote. Raise SnapshotError."""
    try:
        return msgspec.convert(data, Passage, str_keys=True, strict=False)
    except msgspec.ValidationError as why:
        raise SnapshotError(f"the state of the running version is not understood: {why}") from why
