"""The chat of examples/: what people in it read."""

import json

import pytest

pytest.importorskip("websockets", reason="extra 'ws'")
pytest.importorskip("cryptography", reason="extra 'tls'")

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from examples.chat import Chat
from kettlingar.testing import running
from tests.integration.runtime.test_serving import get


async def heard(ws):
    message = json.loads(await ws.recv())
    return f"{message['who']}: {message['what']}"


def test_what_one_types_all_read(run_async, loop_kind):
    async def main():
        async with running(Chat) as kitty:
            url = f"ws://127.0.0.1:{kitty.port}/chat?name="
            async with connect(url + "Ann", proxy=None) as ann:
                assert await heard(ann) == ": Ann is here"
                async with connect(url + "Ben", proxy=None) as ben:
                    assert await heard(ann) == await heard(ben) == ": Ben is here"
                    await ben.send("<b>hi</b>")
                    assert await heard(ann) == await heard(ben) == "Ben: <b>hi</b>"
                    assert await kitty.client.who() == ["Ann", "Ben"]
                assert await heard(ann) == ": Ben has left"
            status, _, page = await get(kitty, "/")
            assert (status, b"new WebSocket" in page) == (200, True)

    run_async(main())


def test_other_sites_and_nameless_people_stay_out(run_async):
    async def main():
        async with running(Chat) as kitty:
            url = f"ws://127.0.0.1:{kitty.port}/chat?name="
            for options, path, status in (
                ({"origin": "https://evil.example"}, "Eve", 403),
                ({}, "", 400),
            ):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(url + path, proxy=None, **options)
                assert refused.value.response.status_code == status

    run_async(main())
