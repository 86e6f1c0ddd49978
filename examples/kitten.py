"""The service of the README: a kitten that meows and purrs.

python3 -m examples.kitten help
python3 -m examples.kitten start --worker-listen-port=12345
python3 -m examples.kitten ping
python3 -m examples.kitten meow
python3 -m examples.kitten purr 2 --purr=rarr
curl http://127.0.0.1:12345/meow
python3 -m examples.kitten stop
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from kettlingar import HttpResult, RequestInfo, RPCKitten

# The smallest picture there is: one transparent pixel.
BLANK_GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b"!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)

PAGE = """<!doctype html>
<title>{name}</title>
<h1>{name}</h1>
<p>This page comes from process {pid}. Without credentials you can ask for
<a href="meow">meow</a>, <a href="slow_meow">slow_meow</a> and <a href="blank">blank</a>.
"""


class MyKitten(RPCKitten):
    """mykitten - a small service that meows and purrs"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "mykitten"
        WORKER_NAME = "Kitty"
        PURR_INTERVAL = 1.0  # seconds between two purrs

    async def init_servers(self, servers: Any) -> Any:
        """Methods can be added while the service starts: `mrow` is `both` by another name."""
        self.api_mrow = self.api_both
        return await super().init_servers(servers)

    async def public_api_web_root(self, _request: RequestInfo) -> HttpResult:
        """The page at /."""
        page = PAGE.format(name=self.config.worker_name, pid=os.getpid())
        return HttpResult("text/html; charset=utf-8", page)

    async def public_api_meow(self, _request: RequestInfo) -> HttpResult:
        """Meow once. Needs no credentials."""
        return HttpResult("text/plain", "Meow world, meow!\n")

    async def public_api_slow_meow(
        self, _request: RequestInfo, count: int = 3
    ) -> AsyncIterator[HttpResult | str]:
        """Meow up to ten times, with pauses. The first item says what type the stream has."""
        yield HttpResult("text/plain", "Meow 1\n")
        for number in range(2, min(count, 10) + 1):
            await asyncio.sleep(self.config.purr_interval)
            yield f"Meow {number}\n"

    async def public_api_blank(self, _request: RequestInfo) -> HttpResult:
        """A picture of one transparent pixel: results may be bytes of any type."""
        return HttpResult("image/gif", BLANK_GIF)

    async def api_purr(
        self, _request: RequestInfo, count: int = 1, purr: str = "purr"
    ) -> AsyncIterator[dict[str, str]]:
        """Purr `count` times, a little longer each time; one item for each purr.

        `_format` says how the command line shows an item.
        """
        line = f"{self.config.worker_name} says %(purr)s"
        for number in range(1, count + 1):
            if number > 1:
                await asyncio.sleep(self.config.purr_interval)
            yield {"purr": purr * number, "_format": line}

    async def api_both(
        self, _request: RequestInfo, count: int = 1
    ) -> AsyncIterator[dict[str, str]]:
        """Meow, then purr: a method may call its neighbours."""
        meow = await self.meow()
        yield {"meow": str(meow["data"]).strip(), "_format": "%(meow)s"}
        async for item in self.purr(count):
            yield item

    async def api_whoami(self, request: RequestInfo) -> dict[str, Any]:
        """Who is asking, and which process answers."""
        caller = request.caller
        return {
            "pid": os.getpid(),
            "caller": {"uid": caller.uid, "pid": caller.pid} if caller else None,
        }


if __name__ == "__main__":
    MyKitten.Main()
