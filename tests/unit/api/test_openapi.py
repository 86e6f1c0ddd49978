"""The method table as OpenAPI, as a page, and as a typed stub."""

from __future__ import annotations

import enum
import html.parser
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import pytest

from kettlingar import HttpResult, RPCKitten
from kettlingar.api.openapi import openapi
from kettlingar.api.page import docs_page


@dataclass
class Toy:
    name: str
    size: int = 1


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shop(RPCKitten):
    """shop - sells <toys>"""

    async def public_api_hello(self, request) -> HttpResult:
        """Say hello."""

    async def api_sell(
        self, request, toy: Toy, color: Color = Color.RED, *, count: int = 1
    ) -> dict[str, int]:
        """Sell a toy."""

    async def api_purr(
        self, request, count: int, how: Literal["low", "high"] = "low"
    ) -> AsyncIterator[str]:
        yield ""

    async def api_log(
        self, request, *lines: str, folder: Path | None = None, **more: int
    ) -> list[str]:
        """Log."""

    async def api_keep(
        self,
        request,
        first: int,
        /,
        when: datetime | None = None,
        where: Path = Path("/"),
        many: tuple[Path, ...] = (),
        data: bytes = b"",
    ) -> list[bytes]:
        """Keep."""

    async def public_api_log(self, request) -> str:
        """Log nothing."""

    async def raw_pipe(self, request):
        """Raw."""


@pytest.fixture(scope="module")
def document():
    return openapi("shop", "sells", "1.2", Shop.methods, "/shop")


def test_the_document_is_plain_data_and_names_every_method_but_raw_ones(document):
    assert json.loads(json.dumps(document)) == document
    assert {"/hello", "/sell", "/purr", "/log", "/ping", "/openapi.json"} <= document[
        "paths"
    ].keys()
    assert "/pipe" not in document["paths"]
    assert (document["info"]["version"], document["servers"]) == ("1.2", [{"url": "/shop"}])


def test_arguments_have_their_types_defaults_and_whether_they_are_required(document):
    body = document["paths"]["/sell"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert body["required"] == ["toy"]
    assert body["properties"]["count"] == {"type": "integer", "default": 1}
    assert body["additionalProperties"] is False
    toy = document["components"]["schemas"]["Toy"]
    assert toy["properties"]["name"] == {"type": "string"}
    parameters = document["paths"]["/purr"]["get"]["parameters"]
    assert [(p["name"], p["required"]) for p in parameters] == [("count", True), ("how", False)]
    assert parameters[1]["schema"]["enum"] == ["high", "low"]
    assert "get" not in document["paths"]["/sell"]  # a query cannot hold a toy


def test_types_have_the_forms_that_they_have_here(document):
    body = document["paths"]["/keep"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    told = body["properties"]
    assert {"type": "string", "format": "date-time"} in told["when"]["anyOf"]
    assert told["where"] == {"type": "string", "default": "/"}
    assert told["many"]["items"] == {"type": "string"}
    assert [form["type"] for form in told["data"]["anyOf"]] == ["string", "object"]
    result = document["paths"]["/keep"]["post"]["responses"]["200"]["content"]["application/json"]
    assert "__base64__" in result["schema"]["items"]["anyOf"][1]["properties"]


def test_arguments_that_have_no_name_are_told_too(document):
    def body(path):
        return document["paths"][path]["post"]["requestBody"]["content"]["application/json"][
            "schema"
        ]

    assert body("/keep")["properties"]["_args"]["type"] == "array"
    assert "_args" not in body("/sell")["properties"]
    assert body("/log")["additionalProperties"] == {"type": "integer"}
    assert (body("/sell")["type"], body("/log")["type"]) == ("object", ["object", "null"])


def test_of_a_pair_callers_without_the_token_get_the_public_one(document):
    assert document["paths"]["/log"]["post"]["security"] == [{"token": []}, {}]
    assert document["paths"]["/ping"]["post"]["security"] == [{"token": []}, {}]


def test_private_methods_need_the_token_and_public_ones_do_not(document):
    assert document["paths"]["/sell"]["post"]["security"] == [{"token": []}]
    assert document["paths"]["/hello"]["post"]["security"] == []


def test_results_are_described_where_they_are_typed(document):
    def answer(path):
        return document["paths"][path]["post"]["responses"]["200"]["content"]

    assert answer("/sell")["application/json"]["schema"]["additionalProperties"] == {
        "type": "integer"
    }
    assert answer("/hello") == {"*/*": {}}
    assert "chunk" in document["paths"]["/purr"]["post"]["responses"]["200"]["description"]


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_authors_write():
    page = docs_page("shop", Shop.__doc__, Shop.methods)
    assert "sells &lt;toys&gt;" in page
    links = []

    class Links(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            links.extend(value for name, value in attrs if name in ("src", "href", "action"))

    Links().feed(page)
    assert "sell" in links
    links.remove("data:,")  # the icon, which a browser would ask for elsewhere
    assert not [link for link in links if ":" in link or link.startswith("/")]
