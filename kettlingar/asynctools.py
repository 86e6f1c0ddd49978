"""Small tools for services, kept under the names that existing ones import."""

from __future__ import annotations

import asyncio
import os
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
)
from threading import Thread
from typing import Any, TypeVar

from .managed import Managed, manager_of
from .sync import BlockingClient

T = TypeVar("T")

_background: set[asyncio.Task[Any]] = set()


def create_background_task(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start `work` in the background, and keep it alive until it is done."""
    task = asyncio.get_running_loop().create_task(work)
    _background.add(task)
    task.add_done_callback(_background.discard)
    return task


async def await_success(
    attempt: Callable[..., Awaitable[T]], *args: Any, retries: int = 10, sleep: float = 0.1
) -> T:
    """Call `attempt` until it raises nothing; after `retries` further tries its exception counts."""
    for left in reversed(range(retries + 1)):
        try:
            return await attempt(*args)
        except Exception:
            if not left:
                raise
            await asyncio.sleep(sleep)
    raise ValueError(f"cannot try {retries + 1} times")


class FileWriter:
    """Writes to an open file from a coroutine, with the interface of a stream's writer."""

    def __init__(self, fd: int) -> None:
        """Own the descriptor `fd`."""
        self._fd = fd
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Take `data`; `drain` writes it."""
        self._waiting.append(bytes(data))

    async def drain(self) -> None:
        """Write what waits, off the loop: a plain file may block."""
        data, self._waiting = b"".join(self._waiting), []
        while data:
            written = await asyncio.to_thread(os.write, self._fd, data)
            data = data[written:]

    def close(self) -> None:
        """Close the descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class SyncProxy:
    """A service without async: `proxy.meow()` blocks, `for x in proxy.purr(3)` iterates.

    Several threads may use one proxy at once.
    """

    def __init__(self, kitten: Any) -> None:
        self._kitten = kitten
        self._client: BlockingClient | None = None
        self._loopback: _LoopThread | None = None
        self._managed: Managed | None = None

    def connect(self, *, auto_start: bool = False, retry: int = 3) -> SyncProxy:
        """Find the service, perhaps start it; return self. NotRunning if nobody answers."""
        if self._client is not None:
            self._client.close()
        self._client = asyncio.run(self._connected(auto_start=auto_start, retry=retry))
        return self

    async def _connected(self, *, auto_start: bool, retry: int) -> BlockingClient:
        await self._kitten.connect(auto_start=auto_start, retry=retry)
        self._kitten.disconnect()  # its connections belong to a loop that ends here
        managed = self._managed = await manager_of(self._kitten)
        return BlockingClient(managed.open) if managed is not None else self._by_files()

    def loopback(self) -> SyncProxy:
        """Run the service in this process, on a thread of its own; return self."""
        self._loopback = _LoopThread()
        self._loopback.wait(self._kitten.loopback())
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        method = self._kitten.methods.find(name, private=True)
        if method is None and hasattr(type(self._kitten), name):
            return getattr(self._kitten, name)  # NotRunning, Configuration, api_url

        def call_stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            yield from self._items(name, args, kwargs)

        def call_once(*args: Any, **kwargs: Any) -> Any:
            return self.call(name, *args, **kwargs)

        return call_stream if method is not None and method.streams else call_once

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method by name; a streaming one gives an iterator."""
        if self._loopback is not None:
            result = self._loopback.wait(self._kitten.call(name, *args, **kwargs))
            return self._loopback.items(result) if hasattr(result, "__aiter__") else result
        if name == "quitquitquit" and self._managed is not None:
            return asyncio.run(self._managed.quit())
        if not self._kitten.config.worker_use_msgpack:
            kwargs.setdefault("call_use_json", True)
        if self._client is None:
            self._client = self._by_files()
        return self._client.call(name, *args, **kwargs)

    def _items(self, name: str, args: Any, kwargs: Any) -> Iterator[Any]:
        reply = self.call(name, *args, **kwargs)
        return reply if isinstance(reply, Iterator) else iter([reply])

    def _by_files(self) -> BlockingClient:
        config = self._kitten.config
        return BlockingClient.by_files(config.app_state_dir, config.worker_name)

    def close(self) -> None:
        """Close idle connections; end what `loopback` has begun."""
        if self._client is not None:
            self._client.close()
        if self._loopback is not None:
            self._loopback.wait(self._kitten.shutdown())
            self._loopback.end()
            self._loopback = None

    def __str__(self) -> str:
        return f"SyncProxy of {self._kitten}"


class _LoopThread:
    """An event loop on a thread of its own, for threads that block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="loopback", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` there, and wait here for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def items(self, stream: AsyncIterable[T]) -> Iterator[T]:
        """Read an async stream from here, item by item."""
        items = aiter(stream)
        while True:
            try:
                yield self.wait(_next(items))
            except StopAsyncIteration:
                return

    def end(self) -> None:
        """Stop the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
