"""Connections that no worker has: in order of arrival, each with a deadline, and not too many."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
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
        self._back: list[Connection] = []  # of the queue, those whose time has not begun again
        self._new: deque[Connection] = deque()  # came since the last `settle`: behind the queue
        self._count: Counter[str] = Counter()  # settled ones, by listener
        self._deadlines: dict[float, Deadlines[Connection]] = {}  # by their seconds

    def __iter__(self) -> Iterator[Connection]:
        yield from self._queue.values()
        yield from self._new

    def __len__(self) -> int:
        return len(self._queue) + len(self._new)

    def held_for(self, front: Front) -> int:
        """How many wait that came by this listener."""
        return self._count[front.spec.name]

    def add(self, connections: Iterable[Connection]) -> None:
        """At the end of the queue. They are settled later, if nobody takes them before."""
        self._new.extend(connections)

    def add_first(self, connections: Iterable[Connection]) -> None:
        """At the head of the queue: they have waited already."""
        for connection in reversed(list(connections)):
            connection.stage = Stage.HELD
            self._back.append(connection)
            self._queue[connection.number] = connection
            self._queue.move_to_end(connection.number, last=False)

    def take(self) -> Connection:
        """The next one, which waits no longer. There must be one."""
        if not self._queue:
            return self._new.popleft()
        _, connection = self._queue.popitem(last=False)
        self._unsettle(connection)
        return connection

    def settle(self) -> list[Connection]:
        """Those that came and were not taken must wait: start their time.

        Returns, and removes, those for which there is no room, no time or no service.
        """
        too_many: list[Connection] = []
        if not (self._new or self._back):
            return too_many
        back = [one for one in self._back if one.number in self._queue]
        for one in (*back, *self._new):
            if self._may_wait(one):
                self._queue[one.number] = one
                self._start(one)
            else:
                self._queue.pop(one.number, None)
                too_many.append(one)
        self._back.clear()
        self._new.clear()
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
        everything = [self.take() for _ in range(len(self))]
        self._back.clear()
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
        del self._queue[connection.number]
        self._unsettle(connection)
        self._on_expired(connection)
