"""Our clients' pure half over TLS: they go by unix socket and TCP themselves, others need not."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kettlingar.tlskitten import TLSKitten
from kettlingar.wire.rpc import CallWriter, Failure, Items, ReplyReader, Result

from .kitten import Behaviour


class SecureBehaviour(Behaviour, TLSKitten):
    class Configuration(Behaviour.Configuration, TLSKitten.Configuration):
        TLS_CERT = TLSKitten.SELF_SIGNED


class ByTls:
    """Calls over verified TLS connections, which are used again."""

    def __init__(self, service, context: ssl.SSLContext, *, use_json: bool) -> None:
        self._service, self._context, self._use_json = service, context, use_json
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, name, /, *args, **kwargs):
        events = await self._events(name, args, kwargs)
        return events[0].value if isinstance(events[0], Result) else events

    async def items(self, name, /, *args, **kwargs):
        events = await self._events(name, args, kwargs)
        return [one for event in events if isinstance(event, Items) for one in event.values]

    async def _events(self, name: str, args: Any, kwargs: Any) -> list[Any]:
        calls = CallWriter(
            f"localhost:{self._service.port}", "", self._service.secret, lambda _: _no_file
        )
        request = calls.write(name, args, kwargs, use_json=self._use_json)
        reader, writer = self._idle.pop() if self._idle else await self._opened()
        writer.write(request)
        parser = ReplyReader()
        events: list[Any] = []
        while not (events and hasattr(events[-1], "keep_alive")):
            data = await reader.read(65536)
            events += parser.feed(data) if data else parser.eof()
        if events[-1].keep_alive:
            self._idle.append((reader, writer))
        else:
            await _close(writer)
        if isinstance(events[-1], Failure):
            raise events[-1].exception
        return events

    async def _opened(self):
        return await asyncio.open_connection(
            "127.0.0.1", self._service.port, ssl=self._context, server_hostname="localhost"
        )

    async def close(self) -> None:
        for _, writer in self._idle:
            await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def _no_file(value: object) -> Any:
    raise ValueError(f"cannot send a {type(value).__name__} over TCP")


def by_tls(*, use_json: bool = False):
    """The client verifies the service by the certificate that TLSKitten made."""

    @asynccontextmanager
    async def opened(service):
        config = service.kitten.config
        pem = Path(config.app_state_dir) / f"{config.app_name}.pem"
        context = ssl.create_default_context(cafile=pem)
        caller = ByTls(service, context, use_json=use_json)
        try:
            yield caller
        finally:
            await caller.close()

    return opened
