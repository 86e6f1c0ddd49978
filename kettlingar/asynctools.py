"""Small tools for services, kept under the names that existing ones import."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
)
from inspect import isawaitable
from threading import Thread
from typing import IO, Any, TypeVar

from .managed import Managed, manager_of
from .sync import BlockingClient

T = TypeVar("T")

log = logging.getLogger(__name__)

_background: set[asyncio.Future[Any]] = set()


def create_background_task(work: Awaitable[T]) -> asyncio.Future[T]:
    """Start `work` in the background, and keep it alive until it is done; the log has its failure."""
    task = asyncio.ensure_future(work)
    _background.add(task)
    task.add_done_callback(_done)
    return task


def _done(task: asyncio.Future[Any]) -> None:
    _background.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a background task failed: %r", task, exc_info=error)


async def await_success(
    attempt: Callable[..., T | Awaitable[T]],
    *args: Any,
    timeout: float = 120.0,  # noqa: ASYNC109  the name that existing services use
    sleeptime: float = 0.01,
    sleepstep: float = 0.01,
    sleepmax: float = 0.5,
    retried_exceptions: tuple[type[Exception], ...] = (OSError,),
) -> T:
    """Call `attempt`, a coroutine function or a plain one, until it raises none of these.

    Pauses grow from `sleeptime` by `sleepstep` up to `sleepmax` seconds. After `timeout`
    seconds (0: never) what it raised counts.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        try:
            found = attempt(*args)
            return await found if isawaitable(found) else found
        except retried_exceptions:
            if timeout and loop.time() + sleeptime > deadline:
                raise
        await asyncio.sleep(sleeptime)
        sleeptime = min(sleepmax, sleeptime + sleepstep)


class FileWriter:
    """Writes to an open file from a coroutine, with the interface of a stream's writer."""

    def __init__(self, fd: int | IO[bytes]) -> None:
        """Own `fd`, an open file or a descriptor."""
        self._fd = fd if isinstance(fd, int) else _taken_from(fd)
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


def _taken_from(file: IO[bytes]) -> int:
    """Return a descriptor of what `file` has open, and close that; what it had buffered is out."""
    with file:
        file.flush()
        return os.dup(file.fileno())


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
        try:  # config, NotRunning, api_url: what the kitten has itself is no method, as without us
            return object.__getattribute__(self._kitten, name)
        except AttributeError:
            method = self._kitten.methods.find(name, private=True)

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
