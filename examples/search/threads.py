"""Threads that work on the index, so that the event loop never waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .store import Store

T = TypeVar("T")


class StoreThreads:
    """A few threads that read and one that writes; each has its own connection."""

    def __init__(self, path: Path, readers: int = 2) -> None:
        self._path = path
        self._mine = threading.local()
        self._opened: list[Store] = []
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="search-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="search-write")

    async def read(self, job: Callable[[Store], T]) -> T:
        """Run `job` beside other readers."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._run, job)

    async def write(self, job: Callable[[Store], T]) -> T:
        """Run `job` when the writes before it are done."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._run, job)

    def _run(self, job: Callable[[Store], T]) -> T:
        store: Store | None = getattr(self._mine, "store", None)
        if store is None:
            store = self._mine.store = Store(self._path)
            self._opened.append(store)  # appending is atomic
        return job(store)

    async def close(self) -> None:
        """Finish the jobs that run, drop the others, close the connections."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for pool in (self._readers, self._writer):
            pool.shutdown(wait=True, cancel_futures=True)
        for store in self._opened:
            store.close()
