"""Sentences of the contract, each by itself, as an author or a caller would find them true."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import logging
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path

import pytest

from kettlingar import HttpResult, RPCKitten
from kettlingar.metrics import MetricsKitten
from kettlingar.testing import running
from kettlingar.tlskitten import TLSKitten
from kettlingar.webkitten import Route, WebKitten
from kettlingar.wire.content import Kind, to_json
from tests.faults.processes import served
from tests.helpers import http_get, wait_for


class Purse:
    """A mix-in of an author's own."""

    class Configuration:
        PURSE_SIZE = 3

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.purse = [None] * self.config.purse_size

    async def api_purse(self, _request):
        return len(self.purse)


ROUTES = (Route("/page", "public_api_page", public=True),)


@pytest.mark.parametrize("bases", [*permutations((RPCKitten, WebKitten, MetricsKitten, Purse))])
def test_mixins_come_in_any_order_and_all_of_them_work(run_async, bases):
    async def page(self, _request):
        return HttpResult("text/html", "<p>page</p>")

    kitten = type(
        "Mixed", bases, {"WEB_ROUTES": ROUTES, "public_api_page": page, "__module__": __name__}
    )

    async def check():
        async with running(kitten, ["--purse-size=5"]) as one:
            assert await one.client.purse() == 5
            answer = await asyncio.to_thread(http_get, f"{one.url}/page")
            assert answer.body == b"<p>page</p>"
            numbers = await one.client.metrics()
            assert any("purse" in name for name in map(str, _all_of(numbers)))

    run_async(check())


def _all_of(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _all_of(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _all_of(inner)
    else:
        yield value


DEFAULTS = {
    "worker_http_max_head": 16 << 10, "worker_http_max_line": 8 << 10, "worker_http_max_headers": 100,
    "worker_http_request_max_size": 1 << 20, "worker_http_request_timeout1": 1,
    "worker_http_request_timeout2": 15, "worker_http_keepalive": 60, "worker_http_send_timeout": 30,
    "worker_max_depth": 64, "worker_max_connections": 10_000, "worker_drain_timeout": 20,
    "worker_listen_queue": 1024, "worker_allowed_hosts": [], "worker_url_path": "",
}  # fmt: skip


def test_the_limits_have_the_defaults_of_the_contract():
    config = RPCKitten(args=[]).config
    assert {name: getattr(config, name) for name in DEFAULTS} == DEFAULTS


class Troubled(RPCKitten):
    async def public_api_fails(self, _request):
        raise ZeroDivisionError("inner matters")

    async def public_api_elsewhere(self, _request):
        raise self.RedirectException("https://example.org/there")

    async def raw_half(self, request_info):
        request_info.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-msgpack\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1\r\n\x01\r\n"
        )

    async def api_pid(self, _request):
        return 1


def with_kitten(run_async, check, *args):
    async def main():
        async with running(Troubled, args) as one:
            await check(one)

    run_async(main())


def test_a_token_has_144_random_bits(run_async):
    seen = []

    async def check(one):
        seen.append(one.secret)

    for _ in range(3):
        with_kitten(run_async, check)
    assert len(set(seen)) == 3
    assert {len(base64.urlsafe_b64decode(token)) * 8 for token in seen} == {144}


def test_the_log_has_a_traceback_always_and_a_public_caller_never(run_async, caplog):
    caplog.set_level(logging.ERROR)

    async def check(one):
        answer = await asyncio.to_thread(http_get, f"{one.url}/fails")
        assert answer.status == 500
        assert set(json.loads(answer.body)) == {"error"}
        assert b"inner" not in answer.body
        assert b"ZeroDivision" not in answer.body

    with_kitten(run_async, check)
    logged = [record for record in caplog.records if record.exc_info]
    assert [str(record.exc_info[1]) for record in logged] == ["inner matters"]
    assert "Traceback" in caplog.text


def test_a_redirect_is_302_with_its_location_and_an_ioerror_to_our_client(run_async):
    async def check(one):
        def ask():
            connection = http.client.HTTPConnection(one.host, one.port, timeout=5)
            connection.request("GET", "/elsewhere")
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status, answer.headers["Location"]

        assert await asyncio.to_thread(ask) == (302, "https://example.org/there")
        with pytest.raises(IOError, match=r"example\.org/there"):
            await one.client.elsewhere()

    with_kitten(run_async, check)


def test_a_stream_that_is_closed_without_the_end_mark_raises_ioerror_after_its_items(run_async):
    async def check(one):
        got = []
        with pytest.raises(IOError, match="ended within it"):
            async for item in await one.client.call("half"):
                got.append(item)  # noqa: PERF401  what came before the error counts
        assert got == [1]

    with_kitten(run_async, check)


def test_connections_are_kept_and_pooled(run_async):
    async def check(one):
        connections = one.runtime.server.connections
        for _ in range(50):
            await one.client.pid()
        assert len(connections) == 1
        await asyncio.gather(*(one.client.pid() for _ in range(20)))
        first = set(connections)
        assert len(first) == 20
        await asyncio.gather(*(one.client.pid() for _ in range(20)))
        assert connections == first

    with_kitten(run_async, check)


class Sink:
    """Counts writes."""

    closing = False

    def __init__(self):
        self.writes = []

    def send(self, data, fds=()):
        self.writes.append(bytes(data))

    async def drained(self):
        pass


def test_one_write_may_carry_many_chunks():
    from kettlingar.requests.stream_writer import StreamWriter

    sink = Sink()
    writer = StreamWriter(sink, Kind.JSON, {Kind.JSON: to_json}, chunked=True)
    for number in range(100):
        writer.item({"n": number})
    writer.end()
    assert len(sink.writes) == 1
    body = sink.writes[0].partition(b"\r\n\r\n")[2]
    assert body.startswith(b'8\r\n{"n":0}\n\r\n8\r\n{"n":1}\n\r\n')
    assert body.endswith(b'9\r\n{"n":99}\n\r\n0\r\n\r\n')


def test_sigterm_stops_accepting_finishes_what_runs_and_exits_with_0(tmp_path):
    with (
        served("tests.compat.gate", tmp_path, "Gate") as one,  # which looks at the code
        socket.create_connection((one.host, one.port), 5) as before,
        ThreadPoolExecutor(1) as thread,
    ):
        before.sendall(f"GET /wait?folder={tmp_path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = thread.submit(before.recv, 4096)
        wait_for((tmp_path / "runs").exists, what="it runs")
        os.kill(one.pid, signal.SIGTERM)
        wait_for(lambda: not accepts(one), what="new connections are refused")
        assert not answer.done()
        (tmp_path / "open").touch()
        assert b" 200 " in answer.result(5)
        while not ended(one.pid):
            os.kill(one.pid, signal.SIGTERM)  # again and again: it ends in order all the same
            time.sleep(0.001)
    assert not list((tmp_path / "state").iterdir())


def ended(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")


def accepts(one):
    try:
        socket.create_connection((one.host, one.port), 1).close()
    except ConnectionRefusedError:
        return False
    return True


class Secure(RPCKitten, TLSKitten):
    class Configuration(RPCKitten.Configuration, TLSKitten.Configuration):
        TLS_CERT = TLSKitten.SELF_SIGNED


def test_https_and_http_are_one_port_and_https_url_names_it(run_async):
    pytest.importorskip("cryptography", reason="extra 'tls'")

    async def check():
        async with running(Secure) as one:
            assert one.kitten.https_url("/ping") == f"https://127.0.0.1:{one.port}/ping"
            assert (await asyncio.to_thread(http_get, f"{one.url}/ping")).body == b"Pong\n"

    run_async(check())
