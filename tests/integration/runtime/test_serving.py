"""A kitten in this process, real sockets, the generated client and plain HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
from pathlib import Path

import pytest

from kettlingar import BadRequest, Conflict, NeedInfoException
from kettlingar.testing import running
from kettlingar.transport.acceptor import stream_of
from kettlingar.transport.messages import Way
from kettlingar.worker.intake import Intake

from .kittens import Tricks


def get(kitty, path, method="GET", body=None, headers=()):
    """One request by the standard library's client; (status, headers, body)."""

    def ask():
        connection = http.client.HTTPConnection(kitty.host, kitty.port, timeout=5)
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        result = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        connection.close()
        return result

    return asyncio.to_thread(ask)


async def raw(kitty, *pieces: bytes) -> bytes:
    """Send bytes as they are; return all that comes back until the end."""
    reader, writer = await asyncio.open_connection(kitty.host, kitty.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    data = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return data


def with_kitten(run_async, test, *args):
    async def main():
        async with running(Tricks, args) as kitty:
            await test(kitty)

    run_async(main())


def test_a_public_method_answers_plain_http(run_async, loop_kind):
    async def check(kitty):
        status, headers, body = await get(kitty, "/meow")
        assert (status, body) == (200, b"Meow world, meow!\n")
        assert headers["content-type"].startswith("text/plain")

    with_kitten(run_async, check)


def test_a_private_method_needs_the_token_in_path_or_header(run_async):
    async def check(kitty):
        path = "/echo?value=1"
        assert (await get(kitty, path))[0] == 403
        assert (await get(kitty, "/nothing"))[0] == 403
        for refused in ("Referer", "User-Agent", "Cookie", "Origin"):
            assert (await get(kitty, path, headers={refused: kitty.secret}))[0] == 403
        assert (await get(kitty, f"/{kitty.secret}{path}"))[0] == 200
        bearer = {"Authorization": f"Bearer {kitty.secret}"}
        assert (await get(kitty, path, headers=bearer))[0] == 200
        assert (await get(kitty, path, headers={"X-Kitten": kitty.secret}))[0] == 200
        assert (await get(kitty, f"/{kitty.secret}/nothing"))[0] == 404

    with_kitten(run_async, check)


def test_the_private_one_of_a_pair_is_for_callers_with_credentials(run_async):
    async def check(kitty):
        assert json.loads((await get(kitty, "/both"))[2]) == {"access": "public"}
        assert json.loads((await get(kitty, f"/{kitty.secret}/both"))[2]) == {"access": "private"}

    with_kitten(run_async, check)


@pytest.mark.parametrize("options", [{}, {"call_use_json": True}, {"call_allow_unix": False}])
def test_calls_give_values_and_streams_by_every_way(run_async, loop_kind, options):
    async def check(kitty):
        client = kitty.client
        assert await client.echo("a", times="0x1f", **options) == {"value": "a", "times": 31}
        assert await client.echo(b"", **options) == {"value": b"", "times": 1}
        assert await client.echo([1, {"b": None}], **options) == {
            "value": [1, {"b": None}],
            "times": 1,
        }
        assert await client.box({"width": "3"}, ratio=2, **options) == {
            "width": 6.0,
            "label": "box",
        }
        assert await client.meow(**options) == {
            "mimetype": "text/plain",
            "data": "Meow world, meow!\n",
        }
        assert [i["purr"] async for i in client.purr(3, **options)] == [
            "purr",
            "purrpurr",
            "purrpurrpurr",
        ]
        assert [i async for i in client.purr(0, **options)] == []
        assert (await client.stretch(**options))["data"] == "Streeetch!\n"
        assert (await client.assigned("x", **options))["value"] == "x"
        assert (await client.call("legacy", 2, **options))["method"] == "POST"

    with_kitten(run_async, check)


def test_integers_of_any_size_travel_in_msgpack(run_async):
    async def check(kitty):
        big = -(1 << 200)
        assert (await kitty.client.echo(big))["value"] == big

    with_kitten(run_async, check)


def test_errors_arrive_as_what_they_are(run_async):
    async def check(kitty):
        client = kitty.client
        with pytest.raises(ValueError, match=r"times.*invalid literal for int"):
            await client.echo(1, times="elephant")
        with pytest.raises(ValueError, match="bogus"):
            await client.echo(1, bogus=2)
        with pytest.raises(KeyError, match="nothing"):
            await client.call("nothing")
        with pytest.raises(RuntimeError, match=r"KeyError.*nothing here"):
            await client.fails()
        with pytest.raises(PermissionError, match="not you"):
            await client.denied()
        with pytest.raises(OSError, match="elsewhere"):
            await client.moved()
        with pytest.raises(NeedInfoException) as need:
            await client.needs()
        assert need.value.needed_vars == ["password"]
        items = client.breaks()
        assert await anext(items) == {"ok": 1}
        with pytest.raises(Conflict, match="no more"):
            await anext(items)
        assert await client.echo(1) == {"value": 1, "times": 1}

    with_kitten(run_async, check)


def test_a_traceback_is_for_callers_with_credentials(run_async):
    async def check(kitty):
        status, _, body = await get(kitty, f"/{kitty.secret}/fails")
        assert status == 500
        assert "Traceback" in json.loads(body)["traceback"]

    with_kitten(run_async, check)


def test_text_streams_and_server_sent_events_are_plain_for_http_clients(run_async):
    async def check(kitty):
        status, headers, body = await get(kitty, f"/{kitty.secret}/lines")
        assert (status, body) == (200, b"one\ntwo\n")
        assert headers["transfer-encoding"] == "chunked"
        _, headers, body = await get(kitty, f"/{kitty.secret}/events")
        assert headers["content-type"].startswith("text/event-stream")
        assert b"data: a\ndata: b\n" in body

    with_kitten(run_async, check)


def test_pipelined_requests_are_answered_in_order_and_a_bad_one_last(run_async, loop_kind):
    async def check(kitty):
        slow = f"GET /{kitty.secret}/sleep?seconds=0.05 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        quick = b"GET /meow HTTP/1.1\r\nHost: x\r\n\r\n"
        data = await raw(kitty, slow + quick + b"BAD\r\n\r\n" + quick)
        assert data.index(b"slept") < data.index(b"Meow") < data.index(b" 400 ")
        assert data.count(b"HTTP/1.1 ") == 3

    with_kitten(run_async, check)


def test_a_raw_method_writes_its_own_answer(run_async):
    async def check(kitty):
        assert (await raw(kitty, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")).endswith(b"\r\n\r\nhi")

    with_kitten(run_async, check)


def test_head_and_http10_and_expect(run_async):
    async def check(kitty):
        status, headers, body = await get(kitty, "/meow", method="HEAD")
        assert (status, headers["content-length"], body) == (200, "18", b"")
        data = await raw(kitty, b"GET /meow HTTP/1.0\r\n\r\n")
        assert data.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in data
        ask = (
            f"POST /{kitty.secret}/echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            "Content-Type: application/json\r\nContent-Length: 11\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(kitty.host, kitty.port)
        writer.write(ask.encode())
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        writer.write(b'{"value":1}')
        assert b'"value":1' in (await reader.read()).replace(b" ", b"")
        writer.close()
        await writer.wait_closed()

    with_kitten(run_async, check)


def test_slow_heads_and_bodies_are_told_so_and_closed(run_async):
    async def check(kitty):
        assert b" 408 " in await raw(kitty, b"GET /me")
        head = (
            f"POST /{kitty.secret}/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode()
        )
        assert b" 408 " in await raw(kitty, head + b"abc")

    with_kitten(
        run_async,
        check,
        "--worker-http-request-timeout1=0.1",
        "--worker-http-request-timeout2=0.1",
    )


def test_limits_have_their_own_status(run_async):
    async def check(kitty):
        assert b" 431 " in await raw(
            kitty, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n"
        )
        assert b" 414 " in await raw(
            kitty, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        big = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
        assert b" 413 " in await raw(kitty, big + b"x" * 100_000)

    with_kitten(run_async, check)


def test_a_slow_reader_slows_the_generator_down_and_its_end_ends_it(run_async, loop_kind):
    async def check(kitty):
        reader, writer = await asyncio.open_connection(kitty.host, kitty.port, limit=1000)
        writer.write(f"GET /{kitty.secret}/flood HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readexactly(100_000)
        seen = -1
        while seen != kitty.kitten.produced:
            seen = kitty.kitten.produced
            await asyncio.sleep(0.1)
        assert seen < 2000  # 20 MB at the most, in socket buffers and ours
        writer.transport.abort()
        await asyncio.wait_for(kitty.kitten.cancelled.wait(), 5)

    with_kitten(run_async, check)


def test_a_client_that_goes_away_cancels_its_call(run_async):
    async def check(kitty):
        reader, writer = await asyncio.open_connection(kitty.host, kitty.port)
        writer.write(f"GET /{kitty.secret}/sleep?seconds=30 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await writer.drain()
        while not kitty.runtime.server.in_flight:
            await asyncio.sleep(0.01)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset
        writer.transport.abort()
        await asyncio.wait_for(kitty.kitten.cancelled.wait(), 5)
        assert reader is not None

    with_kitten(run_async, check)


def test_a_local_caller_that_goes_away_cancels_its_call(run_async, loop_kind):
    async def check(kitty):
        call = asyncio.ensure_future(kitty.client.sleep(30))
        while not kitty.runtime.server.in_flight:
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait_for(kitty.kitten.cancelled.wait(), 5)

    with_kitten(run_async, check)


def test_open_files_travel_both_ways_over_the_unix_socket(run_async, loop_kind, tmp_path: Path):
    path = tmp_path / "poem"
    path.write_bytes(b"soft kitty")

    async def check(kitty):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with path.open("rb") as file:
                assert await kitty.client.cat(file) == b"soft kitty"
            (opened,) = await kitty.client.open(str(path))
            with opened:
                assert (opened.read(), opened.mode) == (b"soft kitty", "rb")
        assert len(os.listdir("/proc/self/fd")) <= before + 2
        with path.open("rb") as file, pytest.raises(ValueError, match="TCP"):
            await kitty.client.cat(file, call_allow_unix=False)

    with_kitten(run_async, check)


def test_sockets_travel_both_ways_and_are_sockets(run_async, loop_kind):
    async def check(kitty):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            told = await kitty.client.greet(theirs)
            assert told == [int(socket.AF_UNIX), int(socket.SOCK_STREAM)]
            assert ours.recv(10) == b"hello"
        opened = await kitty.client.pair()
        with opened[0] as first, opened[1] as second, opened[2] as file:
            first.sendall(b"purr")
            assert second.recv(10) == b"purr"
            assert file.mode == "rb"

    with_kitten(run_async, check)


def test_a_descriptor_beside_wrong_arguments_is_closed_each_time_and_the_error_stays_the_same(
    run_async, tmp_path: Path
):
    path = tmp_path / "poem"
    path.write_bytes(b"soft kitty")

    async def check(kitty):
        told = set()
        with path.open("rb") as file:
            await kitty.client.cat(file)
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(5):  # from the second one on the head came before
                with pytest.raises(BadRequest) as error:
                    await kitty.client.cat(file, 5, 6)
                told.add(str(error.value))
            assert len(os.listdir("/proc/self/fd")) == before
        assert len(told) == 1

    with_kitten(run_async, check)


def test_a_file_may_be_sent_after_a_call_over_tcp(run_async, tmp_path: Path):
    path = tmp_path / "poem"
    path.write_bytes(b"soft kitty")

    async def check(kitty):
        for _ in range(2):
            await kitty.client.ping(call_allow_unix=False)
            with path.open("rb") as file:
                assert await kitty.client.cat(file) == b"soft kitty"

    with_kitten(run_async, check)


def test_a_handed_over_connection_whose_request_is_there_is_answered_before_the_loop_turns(
    run_async, loop_kind
):
    async def check(kitty):
        intake = Intake(asyncio.get_running_loop(), kitty.runtime.server)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            sock, _ = listener.accept()
        with client:
            client.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            client.setblocking(False)
            intake.take(stream_of(sock.detach()), 7, Way("http"))
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")

    with_kitten(run_async, check)


def test_own_methods_called_from_inside_run_here(run_async):
    async def check(kitty):
        assert await kitty.client.calls_own() == ["Meow world, meow!\n", ["purr", "purrpurr"]]

    with_kitten(run_async, check)


def test_a_hundred_calls_at_once_share_a_pool(run_async, loop_kind):
    async def check(kitty):
        answers = await asyncio.gather(*(kitty.client.echo(n) for n in range(100)))
        assert [a["value"] for a in answers] == list(range(100))

    with_kitten(run_async, check)


def test_callers_that_take_turns_on_a_few_connections_get_their_own_answers(run_async, loop_kind):
    async def check(kitty):
        async def caller(number):
            for turn in range(50):
                assert (await kitty.client.echo([number, turn]))["value"] == [number, turn]

        await asyncio.gather(*map(caller, range(16)))

    with_kitten(run_async, check)


def test_a_drain_finishes_what_runs_and_closes_idle_connections(run_async):
    async def check(kitty):
        call = asyncio.ensure_future(kitty.client.sleep(0.2))
        while not kitty.runtime.server.in_flight:
            await asyncio.sleep(0.01)
        assert await kitty.runtime.server.drain(5.0)
        assert await call == {"slept": 0.2}
        assert not kitty.runtime.server.connections

    with_kitten(run_async, check)


def test_loopback_gives_what_the_wire_gives(run_async):
    async def check():
        kitty = await Tricks().loopback()
        assert (await kitty.ping())["loopback"]
        assert await kitty.echo("a", times="3") == {"value": "a", "times": 3}
        assert (await kitty.meow())["data"] == "Meow world, meow!\n"
        assert [i["purr"] async for i in kitty.purr("2")] == ["purr", "purrpurr"]
        with pytest.raises(ValueError, match="invalid literal"):
            await kitty.echo(1, times="x")
        with pytest.raises(RuntimeError, match="KeyError"):
            await kitty.fails()

    run_async(check())
