"""A live kitten for tests that talk to it in bytes: on a thread, with a loop of its own."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kettlingar import HttpResult, RPCKitten
from kettlingar.testing import Running, running
from tests import helpers


class Target(RPCKitten):
    """target - says which requests have reached it"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "target"
        WORKER_NAME = "Target"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.reached: list[Any] = []

    async def public_api_seen(self, request_info, value=None, **more):
        plain = isinstance(value, (str, int, type(None)))
        self.reached.append(value if plain else type(value).__name__)  # keeps no files open
        return {"seen": value}

    async def public_api_body(self, request_info):
        self.reached.append("body")
        return "text/plain", str(len(request_info.body))

    async def public_api_bare(self, request_info, code: int = 204):
        """An answer that may have no body, from an author who gave one."""
        return HttpResult("text/plain", "not for you", http_code=code)

    async def public_api_elsewhere(self, request_info, url: str):
        raise self.RedirectException(url)

    async def public_api_header(self, request_info, text: str):
        return HttpResult("text/plain", "x", headers={"X-Text": text})

    async def public_api_big(self, request_info, size: int = 100_000):
        self.reached.append("big")
        return "application/octet-stream", b"x" * size

    async def public_api_flood(self, request_info, size: int = 10_000):
        while True:
            yield b"x" * size

    async def public_api_pour(self, request_info, size: int = 16_384):
        yield HttpResult("application/octet-stream")
        while True:
            yield b"x" * size

    async def public_api_slow(self, request_info, seconds: float = 0.05):
        await asyncio.sleep(seconds)
        return "slow"

    async def public_api_fails(self, request_info):
        raise RuntimeError("inner matters")

    async def api_secret(self, request_info, value=None):
        self.reached.append("SECRET")
        return {"secret": value}

    async def api_collector(self, request_info):
        return {"frozen": gc.get_freeze_count(), "thresholds": gc.get_threshold()}

    async def api_cat(self, request_info, fd):
        with fd:
            return len(fd.read())


@dataclass
class Live:
    """A running kitten and the loop that it runs on."""

    service: Running
    loop: asyncio.AbstractEventLoop
    lost: list[dict[str, Any]]  # exceptions that reached the loop: each is a defect

    @property
    def reached(self) -> list[Any]:
        return self.service.kitten.reached

    @property
    def connections(self) -> int:
        return len(self.service.runtime.server.connections)

    def connect(self, timeout: float = 5.0) -> socket.socket:
        """A new TCP connection."""
        return socket.create_connection((self.service.host, self.service.port), timeout)

    def connect_unix(self, timeout: float = 5.0) -> socket.socket:
        """A new connection to the unix socket."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(str(self.service.socket_path))
        return sock

    def ask(self, *pieces: bytes, timeout: float = 5.0, half_close: bool = False) -> bytes:
        """All that comes back for these bytes until the service closes."""
        with self.connect(timeout) as sock:
            try:
                for piece in pieces:
                    sock.sendall(piece)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has closed already: what it said is still there
            return everything(sock)


def everything(sock: socket.socket) -> bytes:
    """Read until the end; a connection that stays open is a TimeoutError."""
    found = []
    while data := sock.recv(1 << 16):
        found.append(data)
    return b"".join(found)


def answers(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Cut answers with Content-Length apart: (status, headers, body) of each; all bytes count."""
    found = []
    while data:
        head, blank, rest = data.partition(b"\r\n\r\n")
        assert blank, f"half a head: {head[:100]!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        status = int(first.split(" ")[1])
        length = 0 if status in {100, 204, 304} else int(headers["content-length"])
        assert len(rest) >= length, "half a body"
        found.append((status, headers, rest[:length]))
        data = rest[length:]
    return found


def statuses(data: bytes) -> list[int]:
    return [status for status, _, _ in answers(data)]


@contextmanager
def live(
    kitten: type[RPCKitten] = Target, *args: str, loop_kind: str = "asyncio"
) -> Iterator[Live]:
    """Run `kitten` beside the test until the block ends."""
    ready: list[Live] = []
    stop: list[asyncio.Event] = []
    up = threading.Event()
    lost: list[dict[str, Any]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: lost.append(context))
        stop.append(asyncio.Event())
        async with running(kitten, args) as service:
            ready.append(Live(service, loop, lost))
            up.set()
            await stop[0].wait()

    def serve() -> None:
        from kettlingar._compat import loop_factory

        try:
            with asyncio.Runner(loop_factory=loop_factory(loop_kind)) as runner:
                runner.run(main())
        finally:
            up.set()

    thread = threading.Thread(target=serve)
    thread.start()
    up.wait(10)
    assert ready, "the service did not come up"
    try:
        yield ready[0]
    finally:
        ready[0].loop.call_soon_threadsafe(stop[0].set)
        thread.join(15)
        assert not thread.is_alive()


@contextmanager
def nothing_changes(one: Live) -> Iterator[None]:
    """The block leaves the service with the descriptors it had, and no exception got away."""
    before = len(helpers.descriptors())
    yield
    helpers.wait_for(lambda: len(helpers.descriptors()) == before, what="descriptors as before")
    lost, one.lost[:] = list(one.lost), []
    assert not lost, lost
