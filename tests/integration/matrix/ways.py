"""How a caller can come to a service. To add a way, write a `Way` into WAYS: nothing else.

A way opens a `Caller`: `call` gives a result, `items` the list of a stream's items.
Both raise what the method raised. A way may bring a class or arguments of its own
for the service (TLS, for instance).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from kettlingar import RPCKitten
from kettlingar.sync import BlockingClient
from kettlingar.testing import Running, running

from .by_tls import SecureBehaviour, by_tls
from .kitten import Behaviour


class Caller(Protocol):
    """A client, of whatever kind, behind the two things that the behaviours need."""

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any: ...

    async def items(self, name: str, /, *args: Any, **kwargs: Any) -> list[Any]: ...


class ByClient:
    """Anything whose `await .call()` gives a result, or an async iterator of items."""

    def __init__(self, client: Any, **options: Any) -> None:
        self._client, self._options = client, options

    async def call(self, name, /, *args, **kwargs):
        return await self._client.call(name, *args, **kwargs, **self._options)

    async def items(self, name, /, *args, **kwargs):
        return [item async for item in await self.call(name, *args, **kwargs)]


class ByBlocking:
    """A blocking client or proxy, each call on a thread."""

    def __init__(self, client: Any, stream: Callable[..., Any], **options: Any) -> None:
        self._client, self._stream, self._options = client, stream, options

    async def call(self, name, /, *args, **kwargs):
        return await asyncio.to_thread(self._client.call, name, *args, **kwargs, **self._options)

    async def items(self, name, /, *args, **kwargs):
        def collect():
            return list(self._stream(name, *args, **kwargs, **self._options))

        return await asyncio.to_thread(collect)


Open = Callable[[Running], AbstractAsyncContextManager[Caller]]


@dataclass(frozen=True)
class Way:
    """`files`: whether open files can go along it."""

    open: Open
    files: bool = True
    wire: bool = True  # False: nothing is encoded on the way
    kitten: type[RPCKitten] = Behaviour
    args: tuple[str, ...] = ()

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[tuple[Caller, Running]]:
        """Run the service and come to it by this way."""
        async with (
            running(self.kitten, self.args) as service,
            self.open(service) as caller,
        ):
            yield caller, service


def by_client(**options: Any) -> Open:
    """The async client, with options on each call."""

    @asynccontextmanager
    async def opened(service):
        yield ByClient(service.client, **options)

    return opened


@asynccontextmanager
async def by_class(service):
    """`await MyKitten(args).connect()`."""
    folder = service.socket_path.parent
    kitty = await type(service.kitten)(args=[f"--app-state-dir={folder}"]).connect()
    try:
        yield ByClient(kitty)
    finally:
        kitty._client.close()


@asynccontextmanager
async def by_loopback(service):
    """No server at all."""
    yield ByClient(await type(service.kitten)().loopback())


def by_blocking(**options: Any) -> Open:
    """The blocking client, with options on each call."""

    @asynccontextmanager
    async def opened(service):
        name = service.kitten.config.worker_name
        client = BlockingClient.by_files(service.socket_path.parent, name, timeout=10)
        try:
            yield ByBlocking(client, client.stream, **options)
        finally:
            client.close()

    return opened


@asynccontextmanager
async def by_proxy(service):
    """`MyKitten(args).sync_proxy()`: methods are attributes."""
    folder = service.socket_path.parent
    proxy = type(service.kitten)(args=[f"--app-state-dir={folder}"]).sync_proxy()

    def stream(name, /, *args, **kwargs):
        return getattr(proxy, name)(*args, **kwargs)

    try:
        yield ByBlocking(proxy, stream)
    finally:
        proxy.close()


WAYS: dict[str, Way] = {
    "unix": Way(by_client()),
    "unix-json": Way(by_client(call_use_json=True)),
    "tcp": Way(by_client(call_allow_unix=False), files=False),
    "tcp-json": Way(by_client(call_allow_unix=False, call_use_json=True), files=False),
    "class": Way(by_class),
    "blocking": Way(by_blocking()),
    "blocking-json": Way(by_blocking(call_use_json=True)),
    "blocking-tcp": Way(by_blocking(call_allow_unix=False), files=False),
    "sync-proxy": Way(by_proxy),
    "loopback": Way(by_loopback, wire=False),
    "prefix": Way(by_client(), args=("--worker-url-path=/under/here",)),
    "tls": Way(by_tls(), files=False, kitten=SecureBehaviour),
    "tls-json": Way(by_tls(use_json=True), files=False, kitten=SecureBehaviour),
}

__all__ = ["WAYS", "Caller", "Way"]
