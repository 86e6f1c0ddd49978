"""What the ingress knows of one worker, and what became of all connections."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from kettlingar.transport.channel import Channel

from .connection import Connection

CREDIT = 64  # connections on their way to one worker that it has not taken yet


@dataclass(slots=True)
class Counts:
    """What became of the connections since the service started."""

    passed: int = 0  # given to a worker, each counted once
    redispatched: int = 0  # given to another one
    answered_503: int = 0
    lost: int = 0  # ended without a complete answer, as far as we know


@dataclass(slots=True, eq=False)
class Worker:
    """A run that has connections, or may get some."""

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
        return self.admitted and self.rests is None and self.untaken < CREDIT
