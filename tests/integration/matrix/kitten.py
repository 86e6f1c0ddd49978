"""The service that answers alike by every way: values, streams, errors, files, conversions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Literal

import msgspec

from kettlingar import Conflict, HttpResult, RPCKitten, TooManyRequests, Unavailable


class Mood(Enum):
    CALM = "calm"
    WILD = "wild"


@dataclass
class Basket:
    width: int
    label: str = "basket"


class Toy(msgspec.Struct):
    name: str
    squeaks: bool = False


class Guest:
    """Brings a method of its own."""

    async def api_visit(self, _request_info, whom: str = "you"):
        return {"visits": whom}


class Behaviour(RPCKitten):
    """behaviour - the same by every way"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "behaviour"
        WORKER_NAME = "Same"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.expose_methods(Guest())
        self.ran = 0  # how often `count` has run

    async def init_servers(self, servers):
        self.api_alias = self.api_echo
        return servers

    # --- values ---

    async def api_echo(self, request_info, value=None, *, times: int = 1):
        return {"value": value, "times": times}

    async def public_api_meow(self, request_info):
        return "text/plain", "Meow wörld\n"

    async def api_page(self, request_info):
        return HttpResult("text/html", "<p>mjá</p>", http_code=201)

    async def api_picture(self, request_info):
        return "image/png", b"\x89PNG\r\n\x1a\n\0"

    async def api_pair(self, request_info):
        return None, [1, 2]

    async def api_nothing(self, request_info):
        return None

    def api_plain_function(self, request_info, x: int):
        return x * 2

    async def api_legacy(self, method, headers, body, count=1):
        return None, {"method": method, "count": int(count)}

    async def public_api_both(self, request_info):
        return "public"

    async def api_both(self, request_info):
        return "private"

    async def api_config(self, request_info):
        return "a name that the class has too"

    async def api_inside(self, request_info):
        return [await self.echo(1), [item async for item in self.purr(2)]]

    async def api_count(self, request_info):
        self.ran += 1
        return self.ran

    async def api_any(self, request_info, **others):
        return others

    # --- conversions ---

    async def api_convert(
        self,
        request_info,
        n: int = 0,
        x: float = 0.0,
        yes: bool = False,
        text: str = "",
        raw: bytes = b"",
        maybe: int | None = None,
        many: list[int] | None = None,
        table: dict[str, int] | None = None,
        way: Literal["in", "out"] = "in",
        mood: Mood = Mood.CALM,
        when: datetime | None = None,
        path: Path = Path("/"),
    ):
        many, table = many or [], table or {}
        return {
            "n": n, "x": x, "yes": yes, "text": text, "raw": raw, "maybe": maybe, "many": many,
            "table": table, "way": way, "mood": mood.name, "when": when and when.year,
            "path": [type(path).__name__, str(path)],
        }  # fmt: skip

    async def api_basket(self, request_info, basket: Basket, toy: Toy | None = None):
        return [type(basket).__name__, basket.width * 2, basket.label, toy and toy.squeaks]

    # --- streams ---

    async def api_purr(self, request_info, count: int = 1, purr: str = "purr"):
        for i in range(count):
            yield {"purr": purr * (i + 1)}

    async def api_lines(self, request_info):
        yield HttpResult("text/plain", "one\n")
        yield "two\n"

    async def api_much(self, request_info, items: int, size: int):
        for i in range(items):
            yield [i, b"x" * size]

    async def api_breaks(self, request_info):
        yield {"ok": 1}
        raise Conflict("no more")

    async def api_breaks_typed(self, request_info, mimetype: str):
        yield HttpResult(mimetype, "one\n")
        raise Conflict("no more")

    async def api_breaks_at_once(self, request_info):
        raise Unavailable("not now")
        yield  # pragma: no cover

    # --- errors ---

    async def api_raises(self, request_info, what: str):
        raise {
            "permission": PermissionError("not you"),
            "need": self.NeedInfoException("a word", ["password"], "the vault"),
            "redirect": self.RedirectException("https://example.org/elsewhere"),
            "conflict": Conflict("taken"),
            "many": TooManyRequests("slowly"),
            "unavailable": Unavailable("later"),
            "teapot": self.HttpError(418, "short and stout"),
            "key": KeyError("nothing here"),
            "surrogate": OSError("no such file: \udcff"),
        }[what]

    # --- files ---

    async def api_cat(self, request_info, fd):
        with fd:
            return fd.read()

    async def api_open(self, request_info, *paths: str):
        return self.fds_result([open(path, "rb") for path in paths])
