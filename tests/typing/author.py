"""What a type checker sees of a service: `mypy --strict tests/typing` is part of `make lint`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

from kettlingar import BadRequest, HttpResult, RequestInfo, RPCKitten


class Typed(RPCKitten):
    """typed - a service as authors annotate it"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "typed"
        LIMIT = 3

    async def public_api_hello(self, request_info: RequestInfo) -> HttpResult:
        if request_info.authed:
            raise BadRequest("go away")
        return HttpResult("text/plain", "hello\n")

    async def api_count(self, _request: RequestInfo, to: int = 3) -> AsyncIterator[dict[str, int]]:
        for number in range(to):
            yield {"number": number}

    async def init_servers(self, servers: list[object]) -> list[object]:
        self.info("limit %d", self.config.limit)
        return servers


async def use() -> None:
    kitty = await Typed(args=["--limit=4"]).connect(auto_start=True)
    assert_type(kitty.name, str)
    assert_type(str(kitty), str)
    assert_type(kitty.api_url, str | None)
    assert_type(BadRequest("no").status, int)
