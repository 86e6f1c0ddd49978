"""Services for the runtime's tests."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass

from kettlingar import Conflict, HttpResult, RPCKitten


@dataclass
class Box:
    width: int
    label: str = "box"


class Extra:
    async def api_stretch(self, _request_info):
        """Stretch."""
        return HttpResult("text/plain", "Streeetch!\n")


class Tricks(RPCKitten):
    """tester - knows a trick of every kind"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "tester"
        WORKER_NAME = "Test"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.expose_methods(Extra())
        self.cancelled = asyncio.Event()
        self.produced = 0

    async def init_servers(self, servers):
        self.api_assigned = self.api_echo
        return servers

    async def public_api_meow(self, request_info):
        """Meow."""
        return "text/plain", "Meow world, meow!\n"

    async def public_api_both(self, request_info):
        return {"access": "public"}

    async def api_both(self, request_info):
        return {"access": "private"}

    async def api_legacy(self, method, headers, body, count=1):
        return None, {"method": method, "type": headers.get("Content-Type"), "count": int(count)}

    async def api_echo(self, request_info, value=None, *, times: int = 1):
        return {"value": value, "times": times}

    async def api_box(self, request_info, box: Box, ratio: float = 1.0):
        return {"width": box.width * ratio, "label": box.label}

    async def api_purr(self, request_info, count: int = 1, purr: str = "purr", pause: float = 0):
        for i in range(count):
            yield {"purr": purr * (i + 1)}
            if pause:
                await asyncio.sleep(pause)

    async def api_lines(self, request_info):
        yield HttpResult("text/plain", "one\n")
        yield "two\n"

    async def api_events(self, request_info):
        yield self.sse_start_result({"data": "first", "id": "1"})
        yield {"event": "tick", "data": "a\nb"}

    async def api_breaks(self, request_info):
        yield {"ok": 1}
        raise Conflict("no more")

    async def api_fails(self, request_info):
        raise KeyError("nothing here")

    async def api_denied(self, request_info):
        raise PermissionError("not you")

    async def api_needs(self, request_info, password: str = ""):
        if not password:
            raise self.NeedInfoException("a password, please", ["password"], "the vault")
        return {"open": password == "sesame"}

    async def api_moved(self, request_info):
        raise self.RedirectException("https://example.org/elsewhere")

    async def public_raw_hello(self, request_info):
        request_info.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    async def api_pid(self, request_info):
        return os.getpid()

    async def api_caller(self, request_info):
        caller = request_info.caller
        return None if caller is None else {"uid": caller.uid, "service": caller.service}

    async def api_sleep(self, request_info, seconds: float):
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return {"slept": seconds}

    async def api_flood(self, request_info, size: int = 10_000):
        try:
            while True:
                self.produced += 1
                yield b"x" * size
        finally:
            self.cancelled.set()

    async def api_busy(self, request_info, seconds: float):
        time.sleep(seconds)
        return True

    async def api_calls_own(self, request_info):
        first = await self.meow()
        return [first["data"], [item["purr"] async for item in self.purr(2)]]

    async def api_cat(self, request_info, fd):
        with fd:
            return fd.read()

    async def api_greet(self, request_info, sock: socket.socket):
        with sock:
            sock.sendall(b"hello")
            return [int(sock.family), int(sock.type)]

    async def api_pair(self, request_info):
        return self.fds_result([*socket.socketpair(), open(os.devnull, "rb")])

    async def api_open(self, request_info, path: str):
        return self.fds_result(open(path, "rb"))
