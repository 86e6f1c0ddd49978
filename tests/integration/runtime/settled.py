"""A service whose settings are changed while it runs, and that says what became of it."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from kettlingar import RPCKitten


class Settled(RPCKitten):
    """settled - has settings of every kind"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "settled"
        WORKER_NAME = "Chair"
        GREETING = "hello"
        CUSHIONS = ["red"]  # noqa: RUF012 - as authors write it
        SIZES: list[int] = [1, 2]  # noqa: RUF012
        DOOR_KEY = "hunter2"
        LIMIT = 5

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.told = []
        self.at_rest = 0

    async def init_servers(self, servers):
        self.api_assigned = self.api_pid
        return [*servers, Extra(self)]

    async def on_config_greeting(self):
        self.told.append(self.config.greeting)

    async def api_told(self, request_info):
        return self.told

    async def api_pid(self, request_info):
        return os.getpid()

    async def api_secret(self, request_info):
        return self.config.worker_secret

    async def api_block(self, request_info, seconds: float):
        asyncio.get_running_loop().call_later(0.05, time.sleep, seconds)
        return True

    async def api_print(self, request_info, text: str):
        sys.stdout.write(text)
        return True

    async def api_log(self, request_info, text: str):
        self.warning("said %s", text)
        self.debug("whispered %s", text)
        return True

    async def api_rest(self, request_info, seconds: float = 30.0):
        self.at_rest += 1
        await asyncio.sleep(seconds)

    async def api_has_loaded(self, request_info, module: str):
        return module in sys.modules

    async def api_resting(self, request_info):
        return self.at_rest

    async def api_events(self, request_info):
        yield self.sse_start_result("begun")
        await asyncio.sleep(30)

    async def raw_half(self, request_info):
        request_info.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        await asyncio.sleep(30)

    async def api_count(self, request_info, to: int, pause: float = 0.0):
        for number in range(to):
            yield {"number": number}
            await asyncio.sleep(pause)


class Extra:
    """A server of the author's own, as `init_servers` may add one."""

    def __init__(self, kitten):
        self.kitten = kitten

    async def serve_forever(self):
        self.kitten.told.append("extra runs")
        await asyncio.Event().wait()
