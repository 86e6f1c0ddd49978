"""What the ingress knows of one worker, and what became of all connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from kettlingar.transport.channel import Channel
from kettlingar.transport.messages import Progress
from kettlingard.core.custody import Stage
from kettlingard.core.marks import Whose
from kettlingard.core.passage import PassedRun

from .connection import Connection

CREDIT = 64  # connections on their way to one worker that it has not taken yet


class Counts(Struct):
    """What became of the connections since the service started."""

    passed: int = 0  # given to a worker, each counted once
    redispatched: int = 0  # given to another one
    answered_503: int = 0
    lost: int = 0  # ended without a complete answer, as far as we know


def counts_of(data: Mapping[str, int]) -> Counts:
    """Those that this version knows."""
    known = set(Counts.__struct_fields__)
    return Counts(**{name: number for name, number in data.items() if name in known})


class Worker(Struct, eq=False):
    """A run that has connections, or may get some. It can speak of its own ones only."""

    channel: Channel
    admitted: bool = True
    rests: asyncio.TimerHandle | None = None
    untaken: int = 0  # of these, those that are SENT
    connections: dict[int, Connection] = field(default_factory=dict)
    inherited: set[int] = field(default_factory=set)  # from before our time: no copies of them

    @property
    def unfinished(self) -> int:
        """How many connections it has that are not done."""
        return len(self.connections) + len(self.inherited)

    @property
    def has_room(self) -> bool:
        """It may be given one more."""
        return self.admitted and self.rests is None and self.untaken < CREDIT

    def give(self, connection: Connection) -> None:
        """It is on its way to the worker."""
        connection.stage = Stage.SENT
        self.connections[connection.number] = connection
        self.untaken += 1
        connection.mark(Whose.SENT)

    def hear(self, said: Progress) -> None:
        """How far it is. What it gives back is the caller's to hear."""
        self.inherited.update(said.own)  # before what became of them
        self._taken(said.taken)
        for number in said.answering:
            self._answering(number)
        self.over(said.done)

    def _taken(self, numbers: Sequence[int]) -> None:
        """The worker has them in its hands."""
        for number in numbers:
            connection = self._advance(number, Stage.TAKEN)
            if connection is not None:
                connection.mark_theirs()

    def _answering(self, number: int) -> None:
        """An answer has begun: nobody else can give one, so our copy is needed no longer."""
        connection = self._advance(number, Stage.ANSWERING)
        if connection is not None:
            connection.close()

    def over(self, numbers: Sequence[int]) -> None:
        """They have ended, or are not the worker's any more."""
        for number in numbers:
            connection = self.lose(number)
            if connection is None:
                self.inherited.discard(number)
            else:
                connection.close()

    def lose(self, number: int) -> Connection | None:
        """It is not the worker's any more."""
        connection = self.connections.pop(number, None)
        if connection is not None:
            self.untaken -= connection.stage is Stage.SENT
        return connection

    def _advance(self, number: int, stage: Stage) -> Connection | None:
        connection = self.connections.get(number)
        if connection is not None:
            self.untaken -= connection.stage is Stage.SENT
            connection.stage = stage
        return connection

    def packed(self, run: PassedRun) -> PassedRun:
        """With its connections, as it is passed on to our next version."""
        connections = [one.packed() for one in self.connections.values()]
        return replace(run, connections=connections, inherited=sorted(self.inherited))

    def unpack(self, connections: Iterable[Connection]) -> None:
        """These were packed."""
        for one in connections:
            self.connections[one.number] = one
            self.untaken += one.stage is Stage.SENT


class Workers(dict[int, Worker]):
    """Those of one service, by their runs."""

    @property
    def admitted(self) -> bool:
        """Whether any may get connections."""
        return any(worker.admitted for worker in self.values())

    @property
    def full(self) -> bool:
        """Whether there are some, and none of them has room."""
        for worker in self.values():  # a loop: each batch of connections comes by here
            if worker.has_room:
                return False
        return self.admitted

    @property
    def unfinished(self) -> int:
        """How many connections they have that are not done."""
        return sum(worker.unfinished for worker in self.values())

    @property
    def inherited(self) -> set[int]:
        """The numbers of those that they had before our time."""
        return set().union(*(worker.inherited for worker in self.values()))

    def packed(self, number: int, run: PassedRun) -> PassedRun:
        """A run with the connections that it has."""
        return self[number].packed(run) if number in self else run
