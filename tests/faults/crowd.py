"""Many clients in one thread: connections that are kept for long, and new ones; when each answer came."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

LATE = 20.0  # seconds after which nobody waits any more


@dataclass
class Seen:
    """What happened: outcomes by name, and (began, seconds) of each answer."""

    kept: list[tuple[float, float]] = field(default_factory=list)
    fresh: list[tuple[float, float]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    answered_by: Counter[int] = field(default_factory=Counter)  # pids

    @property
    def ok(self) -> int:
        return len(self.kept) + len(self.fresh)

    def worst(self, since: float, until: float) -> float:
        """The slowest answer to a request that was asked between these moments."""
        both = (*self.kept, *self.fresh)
        return max((took for began, took in both if since <= began < until), default=0.0)

    def words(self, seconds: float) -> str:
        """How many of each, and how fast."""
        took = [one for _, one in (*self.kept, *self.fresh)]
        return (
            f"{len(self.kept)} answers on kept connections, {len(self.fresh)} on new ones "
            f"({len(self.fresh) / seconds:.0f} a second), errors {dict(self.errors) or 0}, "
            f"p99 {percentile(took, 99) * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms"
        )


def percentile(values: list[float], percent: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


class Crowd:
    """`with Crowd(port, kept=200, fresh=4) as seen:` requests go on until the block ends."""

    def __init__(self, port: int, *, kept: int, fresh: int, pause: float, between: float) -> None:
        """A kept connection pauses between its requests; `between` is for those of new ones."""
        self._port, self._counts = port, (kept, fresh)
        self._pauses = (pause, between)
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.seen = Seen()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Seen:
        self._thread.start()
        return self.seen

    def __exit__(self, *_error: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        kept, fresh = self._counts
        async with asyncio.TaskGroup() as group:
            for number in range(kept):
                group.create_task(self._go_on(True, self._pauses[0] * number / kept))
            for _ in range(fresh):
                group.create_task(self._go_on(False, 0.0))

    async def _go_on(self, keep: bool, begin: float) -> None:
        await self._rest(begin)
        streams = None
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                async with asyncio.timeout(LATE):
                    streams = streams or await asyncio.open_connection("127.0.0.1", self._port)
                    await self._ask(*streams, keep)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as why:
                self.seen.errors[f"{'kept' if keep else 'new'}: {type(why).__name__} {why}"] += 1
                keep_this = False
            else:
                (self.seen.kept if keep else self.seen.fresh).append(
                    (began, time.monotonic() - began)
                )
                keep_this = keep
            if streams is not None and not keep_this:
                streams[1].close()
                streams = None
            await self._rest(self._pauses[not keep])
        if streams is not None:
            streams[1].close()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: bool
    ) -> None:
        connection = b"keep-alive" if keep else b"close"
        writer.write(b"GET /pid HTTP/1.1\r\nHost: x\r\nConnection: " + connection + b"\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if not head.startswith("http/1.1 200 "):
            raise ValueError(head.split("\r\n", 1)[0])
        length = int(head.partition("content-length:")[2].split("\r\n", 1)[0])
        self.seen.answered_by[int(await reader.readexactly(length))] += 1
        if keep and "connection: close" in head:
            raise ValueError("told to close")
