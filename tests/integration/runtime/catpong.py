"""Two of these take turns on one response."""

from __future__ import annotations

import asyncio

from kettlingar import HttpResult, RPCKitten
from kettlingar.tlskitten import TLSKitten


class CatPong(RPCKitten):
    class Configuration(RPCKitten.Configuration):
        APP_NAME = "catpong"
        WORKER_NAME = "milton"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.other = None

    async def api_play_with(self, _request_info, worker_name):
        state = "--app-state-dir=" + self.config.app_state_dir
        self.other = await type(self)(args=[state, "--worker-name=" + worker_name]).connect()
        return True

    async def api_ping_pong(self, request_info, ball: str, count: int = 5):
        count -= 1
        name = self.config.worker_name
        if count < 1:
            yield f"I am {name}, I am keeping {ball}"
            return
        yield f"I am {name}, sending {ball} back!"
        async for told in self.other.ping_pong(ball, count, call_reply_to=request_info):
            assert told["replied_to_first_fd"]

    async def api_pass_on(self, request_info, text: str):
        return await self.other.call("shout", text, call_reply_to=request_info)

    async def api_shout(self, _request_info, text: str):
        await asyncio.sleep(0)
        return HttpResult("text/plain", text.upper())

    async def api_breaks_there(self, request_info):
        yield {"begun": True}
        await self.other.call("fail", call_reply_to=request_info)

    async def api_fail(self, _request_info):
        raise self.HttpError(418, "cannot make coffee")

    async def api_many(self, _request_info, count: int):
        for number in range(count):
            yield {"number": number, "fill": "x" * 1000}


class SecureCatPong(CatPong, TLSKitten):
    class Configuration(CatPong.Configuration, TLSKitten.Configuration):
        TLS_CERT = TLSKitten.SELF_SIGNED
