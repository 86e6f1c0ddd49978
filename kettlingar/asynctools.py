"""Small tools for services, kept under the names that existing ones import."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

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

    def connect(self, *, auto_start: bool = False, retry: int = 3) -> SyncProxy:
        """Find the service, perhaps start it; return self. NotRunning if nobody answers."""
        asyncio.run(self._kitten.connect(auto_start=auto_start, retry=retry))
        return self

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        method = self._kitten.methods.find(name, private=True)
        client = self._blocking()

        def call_stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            yield from client.stream(name, *args, **kwargs)

        def call_once(*args: Any, **kwargs: Any) -> Any:
            return client.call(name, *args, **kwargs)

        return call_stream if method is not None and method.streams else call_once

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method by name."""
        return self._blocking().call(name, *args, **kwargs)

    def _blocking(self) -> BlockingClient:
        if self._client is None:
            config = self._kitten.config
            self._client = BlockingClient.by_files(config.app_state_dir, config.worker_name)
        return self._client

    def __str__(self) -> str:
        return f"SyncProxy of {self._kitten}"
