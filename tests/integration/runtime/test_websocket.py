"""WebSockets with a real client: `websockets`, which is nobody of ours."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import socket
import ssl
from pathlib import Path
from typing import Annotated

import pytest

from kettlingar import BadRequest, NotFound, RPCKitten
from kettlingar.errors import HttpError
from kettlingar.testing import running
from kettlingar.tlskitten import TLSKitten
from kettlingar.wire.content import from_msgpack, to_msgpack

websockets = pytest.importorskip("websockets", reason="extra 'ws'")

from websockets.asyncio.client import connect  # noqa: E402  only if it is there
from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402

from kettlingar.websocket import (  # noqa: E402
    WebSocket,
    WebSocketClosed,
    WebSocketKitten,
    WebSocketOptions,
)

Small = Annotated[WebSocket, WebSocketOptions(subprotocols=("v2", "v1"), max_size=1000)]


class Talker(RPCKitten, WebSocketKitten):
    class Configuration(RPCKitten.Configuration):
        APP_NAME = "talker"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = []
        self.ended = asyncio.Event()

    async def api_echo(self, request_info, ws: WebSocket):
        async for message in ws:
            await ws.send(message)
        self.seen.append((ws.close_code, ws.close_reason))
        self.ended.set()

    async def public_api_hello(self, request_info, name: str, ws: WebSocket, times: int = 1):
        for _ in range(times):
            await ws.send(f"hello {name}")

    async def public_api_upper(self, request_info, ws: WebSocket):
        async for message in ws:
            yield message.upper()

    async def public_api_small(self, request_info, *, ws: Small):
        await ws.send({"speaks": ws.subprotocol})
        async for message in ws:
            await ws.send(str(len(message)))

    async def public_api_refuse(self, request_info, ws: WebSocket, how: str = "early"):
        if how == "early":
            raise NotFound("no such room")
        if how == "plainly":
            return {"plain": True}
        await ws.accept()
        if how == "late":
            raise PermissionError("not you")
        if how == "own":
            await ws.close(4001, "own reasons")
            return None
        raise KeyError("oh")

    async def public_api_flood(self, request_info, ws: WebSocket):
        self.count = 0
        try:
            while True:
                await ws.send(b"x" * 10_000)
                self.count += 1
        except WebSocketClosed as error:
            self.seen.append((error.code, error.reason))
        finally:
            self.ended.set()

    async def public_api_offers(self, request_info, ws: WebSocket):
        self.count = 0
        while ws.offer(b"x" * 10_000):
            self.count += 1
        self.ended.set()
        async for _ in ws:
            pass

    async def public_api_deaf(self, request_info, ws: WebSocket):
        await ws.accept()
        await self.ended.wait()
        async for message in ws:
            await ws.send(str(len(message)))

    async def public_api_lost(self, request_info, ws: WebSocket):
        await ws.accept()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended.set()
            raise

    async def public_api_pings(self, request_info, ws: WebSocket):
        await ws.send(await ws.ping())

    async def api_slow(self, request_info, seconds: float = 60):
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.ended.set()
            raise
        return "slept"

    async def api_count(self, request_info, to: int):
        for number in range(to):
            yield number

    async def api_bytes(self, request_info):
        return b"\x00\xff"

    async def api_bad(self, request_info):
        raise BadRequest("badly asked")


class Secure(Talker, TLSKitten):
    class Configuration(Talker.Configuration, TLSKitten.Configuration):
        TLS_CERT = TLSKitten.SELF_SIGNED


@pytest.fixture
def talk(run_async):
    """`talk(check, *args)`: run `check(kitty)` against a running Talker."""

    def run(check, *args, kitten=Talker):
        async def main():
            async with running(kitten, args) as kitty:
                await check(kitty)

        run_async(main())

    return run


def at(kitty, path, **options):
    """A client's socket at a path; the token is put in where it says TOKEN."""
    path = path.replace("TOKEN", kitty.secret)
    return connect(f"ws://127.0.0.1:{kitty.port}/{path}", proxy=None, **options)


async def code_of(ws):
    """The code and reason with which it is closed."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            await asyncio.wait_for(ws.recv(), 5)
    frame = closed.value.rcvd
    return None if frame is None else (frame.code, frame.reason)


async def until(fact):
    async with asyncio.timeout(5):
        while not fact():
            await asyncio.sleep(0.01)


def test_messages_go_both_ways_and_keep_their_kind(talk, loop_kind):
    async def check(kitty):
        async with at(kitty, "TOKEN/echo") as ws:
            for message in ("text", "ü" * 70_000, b"", b"\x00\xff" * 100_000):
                await ws.send(message)
                assert await ws.recv() == message
        await asyncio.wait_for(kitty.kitten.ended.wait(), 5)
        assert kitty.kitten.seen == [(1000, "")]

    talk(check)


def test_a_method_that_yields_sends(talk, loop_kind):
    async def check(kitty):
        async with at(kitty, "upper") as ws:
            await ws.send("a")
            await ws.send("b")
            assert [await ws.recv(), await ws.recv()] == ["A", "B"]

    talk(check)


def test_it_works_over_tls(run_async, loop_kind):
    async def main():
        async with running(Secure) as kitty:
            context = ssl.create_default_context(
                cafile=Path(kitty.kitten.config.app_state_dir) / "talker.pem"
            )
            url = f"wss://localhost:{kitty.port}/{kitty.secret}/echo"
            async with connect(url, ssl=context, proxy=None) as ws:
                for message in ("text", b"\x00\xff" * 300_000):
                    await ws.send(message)
                    assert await ws.recv() == message

    run_async(main())


def test_it_works_over_the_unix_socket(talk):
    from websockets.asyncio.client import unix_connect

    async def check(kitty):
        uri = f"ws://localhost/{kitty.secret}/echo"
        async with unix_connect(str(kitty.socket_path), uri) as ws:
            await ws.send("a")
            assert await ws.recv() == "a"

    talk(check)


def test_the_other_arguments_come_from_the_query(talk):
    async def check(kitty):
        async with at(kitty, "hello?name=cat&times=0x2") as ws:
            assert [message async for message in ws] == ["hello cat"] * 2
            assert ws.close_code == 1000
        with pytest.raises(InvalidStatus) as refused:
            await at(kitty, "hello?name=cat&times=often")
        assert refused.value.response.status_code == 400
        assert b"times is to be int" in refused.value.response.body

    talk(check)


def test_credentials_are_as_for_any_method(talk):
    async def check(kitty):
        for path in ("echo", "nothing", "wrong/echo"):
            with pytest.raises(InvalidStatus) as refused:
                await at(kitty, path)
            assert refused.value.response.status_code == 403
        bearer = {"Authorization": f"Bearer {kitty.secret}"}
        async with at(kitty, "echo", additional_headers=bearer) as ws:
            await ws.send("in")
            assert await ws.recv() == "in"

    talk(check)


def test_pages_of_strangers_are_refused_by_their_origin(talk):
    async def check(kitty):
        async with at(kitty, "upper", origin="https://own.example"):
            pass
        async with at(kitty, "upper"):
            pass
        with pytest.raises(InvalidStatus) as refused:
            await at(kitty, "TOKEN/echo", origin="https://evil.example")
        assert refused.value.response.status_code == 403

    talk(check, '--worker-allowed-hosts=["own.example", "127.0.0.1"]')


def test_failures_before_the_first_use_are_http_and_later_ones_close_codes(talk, loop_kind):
    async def check(kitty):
        with pytest.raises(InvalidStatus) as refused:
            await at(kitty, "refuse")
        assert refused.value.response.status_code == 404
        with pytest.raises(InvalidStatus) as refused:
            await at(kitty, "refuse?how=plainly")
        assert json.loads(refused.value.response.body) == {"plain": True}
        async with at(kitty, "refuse?how=late") as ws:
            assert await code_of(ws) == (1008, "not you")
        async with at(kitty, "refuse?how=own") as ws:
            assert await code_of(ws) == (4001, "own reasons")
        async with at(kitty, "refuse?how=wrong") as ws:
            code, reason = await code_of(ws)
            assert (code, "oh" in reason) == (1011, False)

    talk(check)


def test_subprotocols_are_ours_in_order_and_values_go_as_json(talk):
    async def check(kitty):
        for offered, chosen in ((["v1", "v2"], "v2"), (["v1"], "v1"), (["v9"], None), (None, None)):
            async with at(kitty, "small", subprotocols=offered) as ws:
                assert json.loads(await ws.recv()) == {"speaks": chosen}
                assert ws.subprotocol == chosen

    talk(check)


def test_too_large_a_message_closes_with_1009_however_it_is_cut(talk, loop_kind):
    def opened():
        return len(os.listdir("/proc/self/fd"))

    async def check(kitty):
        async with at(kitty, "upper"):
            pass  # a loop opens its own for the first
        before = opened()
        async with at(kitty, "small") as ws:
            await ws.recv()
            await ws.send(["x" * 500, "y" * 500])
            assert await ws.recv() == "1000"
            await ws.send(["x" * 500, "y" * 501])
            assert (await code_of(ws))[0] == 1009
        async with at(kitty, "TOKEN/echo") as ws:
            await ws.send(b"x" * 3_000_000)  # the default is the limit of a body
            assert (await code_of(ws))[0] == 1009
        await until(lambda: opened() <= before)  # what it still sent has been thrown away

    talk(check)


def test_requests_that_are_no_websocket_are_told_what_to_be(talk):
    def ask(kitty, **headers):
        connection = http.client.HTTPConnection(kitty.host, kitty.port, timeout=5)
        connection.request("GET", "/upper", headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    key = base64.b64encode(bytes(16)).decode()
    right = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": key}

    async def check(kitty):
        plain = await asyncio.to_thread(ask, kitty)
        assert (plain.status, plain.headers["Upgrade"]) == (426, "websocket")
        old = await asyncio.to_thread(ask, kitty, **right, **{"Sec-WebSocket-Version": "8"})
        assert (old.status, old.headers["Sec-WebSocket-Version"]) == (426, "13")
        bad = {**right, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "short"}
        assert (await asyncio.to_thread(ask, kitty, **bad)).status == 400
        with pytest.raises(HttpError, match="WebSocket"):
            await kitty.client.echo()
        with pytest.raises(BadRequest, match="WebSocket"):
            await kitty.kitten.echo()

    talk(check)


async def raw_socket(kitty, path="upper", more=b""):
    """A connection that has been upgraded by hand."""
    reader, writer = await asyncio.open_connection(kitty.host, kitty.port)
    key = base64.b64encode(bytes(16))
    writer.write(
        b"GET /%b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n\r\n" % (path.encode(), key) + more
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer


def frame(opcode, data, fin=True):
    """A client's frame, masked with zeros."""
    return bytes([opcode | 0x80 * fin, 0x80 | len(data)]) + bytes(4) + data


def test_frames_in_the_handshakes_own_segment_and_in_single_bytes_are_read(talk, loop_kind):
    async def check(kitty):
        reader, writer = await raw_socket(kitty, more=frame(1, b"early"))
        assert await reader.readexactly(7) == b"\x81\x05EARLY"
        for byte in frame(1, b"sl", fin=False) + frame(9, b"?") + frame(0, b"ow"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await reader.readexactly(3 + 6) == b"\x8a\x01?" + b"\x81\x04SLOW"
        writer.close()
        await writer.wait_closed()

    talk(check)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (frame(1, b"\xff\xfe"), 1007),
        (frame(0, b"no beginning"), 1002),
        (frame(3, b"no such opcode"), 1002),
        (frame(0x41, b"reserved bit"), 1002),
        (frame(8, b"\x03"), 1002),  # half a code
        (frame(8, b"\x03\xed"), 1002),  # 1005 is never sent
    ],
)
def test_what_is_no_websocket_frame_closes_with_its_code(talk, bad, code):
    async def check(kitty):
        reader, writer = await raw_socket(kitty)
        writer.write(bad)
        data = await asyncio.wait_for(reader.read(), 5)
        assert data[:1] == b"\x88"
        assert int.from_bytes(data[2:4], "big") == code
        writer.close()
        await writer.wait_closed()

    talk(check)


def test_a_slow_reader_slows_the_sender_down(talk, loop_kind):
    async def check(kitty):
        kitten = kitty.kitten
        _, writer = await raw_socket(kitty, "flood")
        writer.transport.pause_reading()
        before = -1
        while before != kitten.count:  # until nothing more goes
            before = kitten.count
            await asyncio.sleep(0.1)
        assert kitten.count * 10_000 < 16_000_000
        writer.transport.abort()
        await asyncio.wait_for(kitten.ended.wait(), 5)
        assert kitten.seen == [(1006, "")]

    talk(check)


def test_an_offer_is_declined_when_the_reader_is_behind(talk):
    async def check(kitty):
        _, writer = await raw_socket(kitty, "offers")
        writer.transport.pause_reading()
        await asyncio.wait_for(kitty.kitten.ended.wait(), 5)
        assert 10 < kitty.kitten.count < 1_600
        writer.transport.abort()

    talk(check)


def test_a_method_that_does_not_read_holds_few_messages(talk, loop_kind):
    async def check(kitty):
        async with at(kitty, "deaf") as ws:

            async def pour():
                for _ in range(400):
                    await ws.send(b"x" * 100_000)

            pouring = asyncio.create_task(pour())
            [connection] = [
                c for c in kitty.runtime.server.connections if getattr(c, "_taker", None)
            ]
            link = connection._taker
            before = -1
            while before != link._size:
                before = link._size
                await asyncio.sleep(0.1)
            assert link._size < 2_000_000
            assert not pouring.done()
            kitty.kitten.ended.set()
            for _ in range(400):
                assert await asyncio.wait_for(ws.recv(), 5) == "100000"
            await pouring

    talk(check)


def test_pings_that_nobody_reads_the_answers_of_take_bounded_memory(talk, loop_kind):
    async def check(kitty):
        reader, writer = await raw_socket(kitty, "upper")
        writer.transport.pause_reading()
        ping = frame(9, b"x" * 125) * 500
        [connection] = [c for c in kitty.runtime.server.connections if getattr(c, "_taker", None)]
        sent = 0
        try:
            while sent < 60_000_000:
                writer.write(ping)
                sent += len(ping)
                await asyncio.wait_for(writer.drain(), 0.3)
        except TimeoutError:
            pass
        assert connection.stream.buffered < 2_000_000
        assert sent < 60_000_000
        writer.transport.resume_reading()
        while connection.stream.buffered:  # who reads them, is read again
            assert await asyncio.wait_for(reader.read(65536), 5)
        writer.transport.abort()

    talk(check)


def test_ping_and_pong_go_both_ways(talk, loop_kind):
    async def check(kitty):
        async with at(kitty, "pings") as ws:
            assert 0 < json.loads(await ws.recv()) < 5
        async with at(kitty, "upper") as ws:
            assert await asyncio.wait_for(await ws.ping(), 5) < 5

    talk(check)


def test_a_silent_peer_is_asked_and_then_given_up(talk, loop_kind):
    async def check(kitty):
        reader, writer = await raw_socket(kitty, "TOKEN/echo".replace("TOKEN", kitty.secret))
        data = await asyncio.wait_for(reader.read(), 5)
        assert data[:2] == b"\x89\x00"
        assert data[2:3] == b"\x88"
        assert int.from_bytes(data[4:6], "big") == 1011
        writer.close()
        await writer.wait_closed()
        async with at(kitty, "upper", ping_interval=None) as ws:  # answers, and so lives
            await asyncio.sleep(0.8)
            await ws.send("a")
            assert await ws.recv() == "A"

    talk(check, "--worker-ws-ping=0.2")


def test_a_method_that_waits_for_something_else_ends_after_its_client(talk, monkeypatch):
    monkeypatch.setattr("kettlingar.websocket.link.CLOSING", 0.2)

    async def check(kitty):
        async with at(kitty, "lost"):
            pass
        await asyncio.wait_for(kitty.kitten.ended.wait(), 5)
        await until(lambda: kitty.runtime.server.in_flight == 0)

    talk(check)


def test_a_client_that_vanishes_ends_the_iteration_with_1006(talk, loop_kind):
    async def check(kitty):
        _, writer = await raw_socket(kitty, f"{kitty.secret}/echo")
        writer.transport.abort()
        await asyncio.wait_for(kitty.kitten.ended.wait(), 5)
        assert kitty.kitten.seen == [(1006, "")]
        await until(lambda: kitty.runtime.server.in_flight == 0)

    talk(check)


def test_a_drain_closes_with_1001_and_waits_for_the_method(talk, loop_kind):
    async def check(kitty):
        async with at(kitty, "TOKEN/echo") as ws:
            await ws.send("a")
            await ws.recv()
            drained = asyncio.create_task(kitty.runtime.server.drain(5))
            assert await code_of(ws) == (1001, "the service ends")
            assert await drained
            assert kitty.kitten.seen == [(1001, "the service ends")]

    talk(check)


def test_many_sockets_at_once(talk, loop_kind):
    async def check(kitty):
        async def one(number):
            async with at(kitty, "upper") as ws:
                for turn in range(5):
                    await ws.send(f"n{number}.{turn}")
                    assert await ws.recv() == f"N{number}.{turn}"

        await asyncio.gather(*[one(number) for number in range(50)])
        await until(lambda: kitty.runtime.server.in_flight == 0)

    talk(check)


# --- /ws --------------------------------------------------------------------------------------


async def ask(ws, **message):
    await ws.send(json.dumps(message))
    return json.loads(await asyncio.wait_for(ws.recv(), 5))


def test_ws_calls_methods_and_streams_in_any_order(talk, loop_kind):
    async def check(kitty):
        async with at(kitty, "TOKEN/ws") as ws:
            answer = await ask(ws, id=1, call="slow", kwargs={"seconds": 0})
            assert answer == {"id": 1, "result": "slept"}
            await ws.send(json.dumps({"id": "long", "call": "slow", "args": [60]}))
            assert await ask(ws, id=2, call="bytes") == {
                "id": 2,
                "result": {"__base64__": "AP8="},
            }
            assert await ask(ws, id=3, call="count", args=["2"]) == {"id": 3, "item": 0}
            assert json.loads(await ws.recv()) == {"id": 3, "item": 1}
            assert json.loads(await ws.recv()) == {"id": 3, "end": True}
            await ws.send(to_msgpack({"id": 4, "call": "bytes"}))
            assert from_msgpack(await ws.recv()) == {"id": 4, "result": b"\x00\xff"}
            await ws.send(json.dumps({"id": "long", "cancel": True}))
            await asyncio.wait_for(kitty.kitten.ended.wait(), 5)

    talk(check)


def test_ws_answers_what_is_wrong_and_goes_on(talk):
    async def check(kitty):
        async with at(kitty, "TOKEN/ws") as ws:
            for message, status in [
                ({"id": 1, "call": "nothing"}, 404),
                ({"id": 1, "call": "echo"}, 404),
                ({"id": 1, "call": "ws"}, 404),
                ({"id": 1, "call": "__init__"}, 404),
                ({"id": 1, "call": "count"}, 400),
                ({"id": 1, "call": "count", "args": ["x"]}, 400),
                ({"id": 1, "call": "count", "args": 3}, 400),
                ({"id": 1, "call": "bad"}, 400),
                ({"id": [], "call": "bad"}, 400),
            ]:
                assert (await ask(ws, **message))["status"] == status
            await ws.send("{no json")
            assert json.loads(await ws.recv())["status"] == 400
            await ws.send(os.urandom(3))
            assert from_msgpack(await ws.recv())["status"] == 400
            assert (await ask(ws, id=1, call="slow", args=[0]))["result"] == "slept"

    talk(check)


def test_ws_cancels_what_runs_when_its_socket_ends(talk, loop_kind):
    async def check(kitty):
        async with at(kitty, "TOKEN/ws") as ws:
            await ws.send(json.dumps({"id": 1, "call": "slow"}))
            await ask(ws, id=2, call="bytes")
        await asyncio.wait_for(kitty.kitten.ended.wait(), 5)
        with pytest.raises(InvalidStatus):
            await at(kitty, "ws")

    talk(check)


def test_the_socket_is_one_argument_and_no_callers(talk):
    with pytest.raises(TypeError, match="there is only one"):

        class Twice(RPCKitten):
            async def api_two(self, request_info, a: WebSocket, b: WebSocket):
                pass

    async def check(kitty):
        with pytest.raises(InvalidStatus) as refused:
            await at(kitty, "upper?ws=1")
        assert refused.value.response.status_code == 400
        assert "hello(name: str, times: int = 1)" in (await kitty.client.help("hello"))["data"]

    talk(check)


def test_a_connection_that_is_not_taken_over_stays_http(talk):
    async def check(kitty):
        def by_hand():
            with socket.create_connection((kitty.host, kitty.port), 5) as sock:
                sock.sendall(
                    b"GET /ping HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
                )
                data = b""
                while piece := sock.recv(65536):
                    data += piece
                return data

        assert (await asyncio.to_thread(by_hand)).startswith(b"HTTP/1.1 200 OK")

    talk(check)
