"""Connections that no worker has: in order of arrival, each with a deadline, and not too many."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator

from kettlingar.transport.timeouts import Deadlines
from kettlingard.core.custody import Stage
from kettlingard.core.marks import Whose

from .connection import Connection
from .front import Front


class Hold:
    """The queue of one service. `on_expired(connection)` when one waited `hold_timeout`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_expired: Callable[[Connection], None]
    ) -> None:
        self._loop = loop
        self._on_expired = on_expired
        self._queue: OrderedDict[int, Connection] = OrderedDict()
        self._new: list[Connection] = []  # came since the last `settle`
        self._count: Counter[str] = Counter()  # settled ones, by listener
        self._deadlines: dict[float, Deadlines[Connection]] = {}  # by their seconds

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._queue.values())

    def __len__(self) -> int:
        return len(self._queue)

    def held_for(self, front: Front) -> int:
        """How many wait that came by this listener."""
        return self._count[front.spec.name]

    def add(self, connection: Connection) -> None:
        """At the end of the queue. It is settled later, if nobody takes it before."""
        self._queue[connection.number] = connection
        self._new.append(connection)

    def add_first(self, connections: Iterable[Connection]) -> None:
        """At the head of the queue: they have waited already."""
        for connection in reversed(list(connections)):
            connection.stage = Stage.HELD
            self.add(connection)
            self._queue.move_to_end(connection.number, last=False)

    def first(self) -> Connection:
        """The one that is next. There must be one."""
        return next(iter(self._queue.values()))

    def remove(self, connection: Connection) -> None:
        """It waits no longer. Before `settle` this costs next to nothing."""
        if self._queue.pop(connection.number, None) is not None:
            self._unsettle(connection)

    def settle(self) -> list[Connection]:
        """Those that came and were not taken must wait: start their time.

        Returns, and removes, those for which there is no room, no time or no service.
        """
        too_many: list[Connection] = []
        new, self._new = self._new, []
        for one in new:
            if one.number not in self._queue:
                continue
            if self._may_wait(one):
                self._start(one)
            else:
                del self._queue[one.number]
                too_many.append(one)
        return too_many

    def _may_wait(self, one: Connection) -> bool:
        spec = one.front.spec
        has_place = self._count[spec.name] < spec.max_held
        return has_place and one.waited < spec.hold_timeout and not one.front.closed

    def _start(self, one: Connection) -> None:
        spec = one.front.spec
        self._count[spec.name] += 1
        one.mark(Whose.OURS)
        one.since = self._loop.time()
        one.waiting = self._timer(spec.hold_timeout)
        one.waiting.add(one)

    def empty(self) -> list[Connection]:
        """Give up all of them."""
        everything = list(self._queue.values())
        for one in everything:
            self.remove(one)
        self._new.clear()
        for deadlines in self._deadlines.values():
            deadlines.close()
        self._deadlines.clear()
        return everything

    def _timer(self, seconds: float) -> Deadlines[Connection]:
        if seconds not in self._deadlines:
            self._deadlines[seconds] = Deadlines(self._loop, seconds, self._expired)
        return self._deadlines[seconds]

    def _unsettle(self, connection: Connection) -> None:
        if connection.waiting is not None:
            connection.waiting.discard(connection)
            connection.waiting = None
            connection.waited += self._loop.time() - connection.since
            self._count[connection.front.spec.name] -= 1

    def _expired(self, connection: Connection) -> None:
        self.remove(connection)
        self._on_expired(connection)
