"""Services that override each of the hooks, and spell methods in each of the ways."""

from __future__ import annotations

import asyncio

from kettlingar import HttpResult, RPCKitten


class Example(RPCKitten):
    """example - as the first author's examples are written"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "example"
        WORKER_NAME = "Kitty"

    async def public_api_meow(self, request_info):
        """/meow"""
        return ("text/plain", "Meow world, meow!\n")

    async def api_both(self, request_info):
        yield None, await self.meow()
        async for purr in self.purr(1):
            yield None, purr

    async def api_purr(self, method, headers, body, count=1, purr="purr"):
        for i in range(int(count)):
            yield (None, {"purr": purr * (i + 1), "_format": "%(purr)s"})

    async def api_pair(self, request_info):
        return (1, 2)

    async def api_triple(self, request_info):
        return ("text/plain", "x", 3)

    async def api_words(self, request_info):
        return ("plain", "words")

    async def api_empty(self, request_info):
        return (None, {"as": "asked"})

    async def api_named(self, request_info, name: str, **more: str):
        return {"name": name, **more}

    async def api_info(self, request_info):
        return "the author's own"

    def get_default_methods(self, request_info):
        return (self.public_api_meow, None)

    async def init_servers(self, servers):
        self.api_mrow = self.api_both
        return servers


class Hooked(RPCKitten):
    """hooked - overrides everything"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "hooked"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.stopped = asyncio.Event()

    async def validate_request_header(self, path, header):
        if header.get("X-Mood") == "bad":
            raise PermissionError("come back in a better mood")

    def get_method_name(self, request_info):
        return super().get_method_name(request_info).replace("alias-of-", "")

    def get_api_methods(self, request_info):
        return [self.public_api_first] if request_info.path.endswith("/anything") else None

    def guarantee_type(self, rule, value):
        if rule is int and value == "dozen":
            return 12
        return super().guarantee_type(rule, value)

    def to_json(self, data, default=None):
        return super().to_json({"wrapped": data}, default)

    def get_docstring(self, method):
        return f"<<{super().get_docstring(method)}>>"

    def print_result(self, result):
        print("own print:", result)

    async def shutdown(self):
        self.stopped.set()

    async def public_api_first(self, request_info):
        """First."""
        return HttpResult("text/plain", "first")

    async def api_twice(self, request_info, number: int):
        """Twice."""
        return number * 2

    async def api_encoded(self, request_info):
        return "text/plain", request_info.encoder({"a": 1})


class OwnWords(RPCKitten):
    """ownwords - reads and writes its own kind of JSON and msgpack"""

    def to_json(self, data, default=None):
        return super().to_json(data, default).replace(b'"', b"'")

    def from_json(self, data):
        return super().from_json(data.replace(b"'", b'"'))

    def to_msgpack(self, data, default=None):
        return super().to_msgpack({"TEXT": data} if isinstance(data, str) else data, default)

    def from_msgpack(self, data):
        return {name.lower(): value for name, value in super().from_msgpack(data).items()}

    async def api_echo(self, request_info, text: str):
        return text

    async def api_cat(self, request_info, file):
        with file:
            return file.read()


class Plugin:
    async def api_meow(self, request_info):
        return "a plugin's"

    async def api_pounce(self, request_info):
        return "pounced"
