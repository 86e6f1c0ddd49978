"""What a running service says of itself: ping, help, /openapi.json, and its page."""

from __future__ import annotations

import json

import pytest

from tests.helpers import http_get

from .kittens import Tricks


def test_ping_is_a_word_to_anybody_and_the_method_table_to_callers_with_credentials(run_kitten):
    one = run_kitten(Tricks)
    assert http_get(f"{one.url}/ping").body == b"Pong\n"
    pong = one.proxy.ping()
    assert pong["pong"] is True
    assert pong["conn"]
    assert {"echo", "public_meow", "purr"} <= pong["methods"].keys()
    assert "doc" not in pong["methods"]["echo"]
    assert one.proxy.call("ping", docs="y")["methods"]["public_meow"]["doc"] == "Meow."
    assert one.proxy.ping()["lag"] >= 0


def test_help_comes_from_docstrings_and_signatures(run_kitten):
    kitty = run_kitten(Tricks).proxy
    overview = kitty.help()["data"]
    assert "tester - knows a trick of every kind" in overview
    assert "Stretch." in overview
    assert "purr(count: int = 1" in kitty.help("purr")["data"]
    with pytest.raises(KeyError, match="no such method"):
        kitty.help("moo")


@pytest.mark.parametrize("name", ["help", "config", "quitquitquit", "openapi", "openapi.json"])
def test_what_describes_or_changes_a_service_needs_credentials(run_kitten, name):
    assert http_get(f"{run_kitten(Tricks).url}/{name}").status == 403


def test_openapi_json_and_its_page_are_there_for_a_browser_with_the_token(run_kitten):
    one = run_kitten(Tricks)
    document = http_get(f"{one.private_url}/openapi.json")
    assert document.headers["Content-Type"] == "application/json"
    paths = json.loads(document.body)["paths"]
    assert {"/meow", "/purr", "/stretch", "/assigned"} <= paths.keys()
    page = http_get(f"{one.private_url}/openapi")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b'<form action="purr"' in page.body
