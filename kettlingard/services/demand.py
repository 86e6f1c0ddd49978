"""What a service has to do, as the size of its pool depends on it: connections, callers, wear.

Told of each connection that comes or goes, so it is cheap: it only remembers,
and has the service look when the size may have to change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from kettlingar.transport import messages
from kettlingard.core.elastic import bounds, is_smaller_enough, needed
from kettlingard.core.spec import PoolKeys
from kettlingard.core.state import Load, ServiceState, Wear
from kettlingard.host import procstat
from kettlingard.worker.process import Worker

LOOK_AT_WEAR = 2.0  # seconds between two looks at what runs have behind them
ANSWER = 1.0  # seconds for a worker to say whether local callers keep it busy


class Demand:
    """The load of one service. `look()` has the service decide; it is called soon, not at once."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        look: Callable[[], None],
        connections: Callable[[], int],
    ) -> None:
        self._loop, self._look, self._connections = loop, look, connections
        self._waiting = 0  # local callers without a worker
        self._busy_at = loop.time()
        self._peak = 0  # connections at once, since the pool has been calm
        self._soon: asyncio.Handle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._quiet = False  # local callers are connected, and want nothing
        self._served: dict[Worker, int] = {}  # when local callers were last asked about
        self._wear: dict[int, Wear] = {}
        self._wear_timer: asyncio.TimerHandle | None = None

    def load(self) -> Load:
        """What there is now."""
        return Load(self._now_in_flight(), self._busy_at, self._peak)

    def _now_in_flight(self) -> int:
        return self._connections() + self._waiting

    # --- connections ---

    def noted(self, state: ServiceState) -> None:
        """A connection came or went."""
        size = state.size
        if size is None:
            return
        in_flight = self._now_in_flight()
        self._peak = max(self._peak, in_flight)
        if not is_smaller_enough(size, in_flight + 1):  # it counts until now, if it went
            self._busy_at = self._loop.time()
        calm = state.calm_since is None and state.policies.pool.idle_timeout > 0
        grows = needed(in_flight) > size and size < bounds(state).most
        if grows or (calm and size > bounds(state).least and is_smaller_enough(size, in_flight)):
            self._look_soon()

    def decided(self, before: ServiceState, after: ServiceState) -> None:
        """A new stretch of calm begins with what is in flight now."""
        if after.calm_since != before.calm_since or after.size != before.size:
            self._peak = self._now_in_flight()

    @contextmanager
    def caller(self, state: ServiceState) -> Iterator[None]:
        """A local caller waits until the block ends."""
        self._waiting += 1
        self.noted(state)
        try:
            yield
        finally:
            self._waiting -= 1
            self._busy_at = self._loop.time()

    def _look_soon(self) -> None:
        if self._soon is None:
            self._soon = self._loop.call_soon(self._look_now)

    def _look_now(self) -> None:
        self._soon = None
        self._look()

    # --- local callers, who keep their connections open ---

    def must_ask(self, state: ServiceState, now: float) -> bool:
        """The pool is about to shrink; nobody has asked whether callers keep it busy."""
        idle = state.policies.pool.idle_timeout
        since = None if self._quiet else state.calm_since
        return since is not None and idle > 0 and now >= max(since, self._busy_at) + idle

    def ask(self, workers: Mapping[int, Worker]) -> None:
        """Ask the workers, and look again when they have said it."""
        if self._asking is None:
            self._asking = self._loop.create_task(self._ask(list(workers.values())))

    async def _ask(self, workers: list[Worker]) -> None:
        await asyncio.gather(*(worker.refresh(ANSWER) for worker in workers))
        self._asking = None
        served = {worker: worker.pong.served for worker in workers}
        busy = served != self._served or any(worker.pong.in_flight for worker in workers)
        self._served = served
        if busy:
            self._busy_at = self._loop.time()
        self._quiet = not busy
        self._look()
        self._quiet = False

    # --- wear ---

    def wear(self, pool: PoolKeys, workers: Callable[[], Mapping[int, Worker]]) -> dict[int, Wear]:
        """What runs have behind them; looked at from time to time, if anybody wants to know."""
        wanted = bool(pool.recycle_requests or pool.recycle_memory)
        if wanted and self._wear_timer is None:
            self._wear_timer = self._loop.call_later(LOOK_AT_WEAR, self._look_at, workers)
        return self._wear if wanted else {}

    def _look_at(self, workers: Callable[[], Mapping[int, Worker]]) -> None:
        self._wear_timer = None
        now = self._loop.time()
        self._wear = {number: _wear_of(worker) for number, worker in workers().items()}
        for worker in workers().values():
            worker.say(messages.Ping(number=0, sent=now))  # heard before the next look
        self._look()

    def close(self) -> None:
        """Nothing is to be decided any more."""
        for handle in (self._soon, self._wear_timer, self._asking):
            if handle is not None:
                handle.cancel()


def _wear_of(worker: Worker) -> Wear:
    usage = procstat.usage(worker.pid) if worker.pid is not None else None
    return Wear(worker.pong.served, usage.rss if usage is not None else 0)
