"""A farm: one ingress, real workers, real clients, on one loop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from kettlingar.transport.channel import Channel, channel_pair
from kettlingar.transport.messages import FromWorker, Progress
from kettlingard.core.custody import Touch
from kettlingard.core.listeners import ListenerSpec
from kettlingard.host.reap import Reaper
from kettlingard.host.refusal import Refusals
from kettlingard.host.spawn import Child, SpawnRequest, spawn
from kettlingard.ingress import Ingress
from tests.helpers import ROOT

WORKER = Path(__file__).with_name("small_worker.py")
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Farm:
    """Runs are numbered from 1; each one's pid is what it answers with."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.refusals = Refusals(loop)
        self.ingress = Ingress(loop, "blog", self.refusals)
        self.said: list[tuple[int, Progress]] = []
        self._reaper = Reaper(loop)
        self._numbers = count(1)
        self._runs: dict[int, tuple[Child, Channel, asyncio.Future[None]]] = {}

    def listen(self, stream: str = "127.0.0.1:0", **keys: object) -> str:
        """Open one listener; where it really is."""
        self.ingress.open([ListenerSpec(name="http", stream=stream, **keys)])
        return str(self.ingress.describe()[0]["address"])

    def start(self, mode: str, *, admit: bool = True) -> int:
        run = next(self._numbers)
        ours, theirs = channel_pair()
        with theirs:
            child = spawn(
                SpawnRequest(
                    [sys.executable, str(WORKER), mode],
                    {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
                    "/",
                    fds=[(theirs.fileno(), 3)],
                    stdout_fd=2,
                )
            )

        def on_message(message: Progress, _fds: list[int]) -> None:
            self.said.append((run, message))
            self.ingress.progress(run, message)

        channel = Channel(self.loop, ours, FromWorker, on_message, lambda: None)
        ended = self.loop.create_future()

        def on_end(_status: object) -> None:
            self.ingress.gone(run)
            channel.close()
            child.close()
            ended.set_result(None)

        self._reaper.watch(child.pid, child.pidfd, on_end)
        self._runs[run] = (child, channel, ended)
        if admit:
            self.admit(run)
        return run

    def admit(self, run: int) -> None:
        self.ingress.admit(run, self._runs[run][1])

    def pid(self, run: int) -> int:
        return self._runs[run][0].pid

    async def kill(self, run: int) -> None:
        child, _, ended = self._runs[run]
        child.send(signal.SIGKILL)
        await ended

    async def ended(self, run: int) -> None:
        await self._runs[run][2]

    async def close(self) -> None:
        for run in self._runs:
            await self.kill(run)
        self.ingress.close()
        self.refusals.close()


@pytest.fixture
def farm() -> Callable[[], object]:
    """`async with farm() as f`: ended, with all its workers, whatever happens."""

    @asynccontextmanager
    async def make() -> AsyncIterator[Farm]:
        one = Farm(asyncio.get_running_loop())
        try:
            yield one
        finally:
            await one.close()

    return make


async def fact(true: Callable[[], object], what: str = "") -> None:
    """Wait until it is true; the test's own time limit bounds it."""
    while not true():
        await asyncio.sleep(0.001)


def touch(f: Farm, run: int) -> Touch:
    """What the kernel says of the run's one connection."""
    [connection] = f.ingress._workers[run].connections.values()
    return connection.touch()


class Client:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, address: str, data: bytes = GET) -> Client:
        if address.startswith("/"):
            streams = await asyncio.open_unix_connection(address)
        else:
            host, _, port = address.rpartition(":")
            streams = await asyncio.open_connection(host.strip("[]"), int(port))
        streams[1].write(data)
        return cls(*streams)

    async def answer(self) -> bytes:
        """All that comes until the end; a reset is an error."""
        try:
            return await self._reader.read()
        finally:
            self.close()

    async def ending(self) -> bytes:
        """What came until the end, or until a reset."""
        try:
            return await self.answer()
        except ConnectionResetError:
            return b""

    async def body(self) -> str:
        """The body of a whole answer of status 200."""
        head, _, body = (await self.answer()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return body.decode()

    def reset(self) -> None:
        """Go without a word."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()
