"""Clients that others wrote: each calls, uploads, streams, repeats and is refused."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import subprocess

import pytest

from tests.faults.live import live, nothing_changes
from tests.helpers import http_get

from .kitten import Behaviour

PURRS = [{"purr": "purr"}, {"purr": "purrpurr"}, {"purr": "purrpurrpurr"}]
BIG = {"value": "x" * 300_000}  # curl asks with Expect: 100-continue before it sends so much


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def service(request):
    with live(Behaviour, loop_kind=request.param) as one:
        yield one


@pytest.fixture(autouse=True)
def _settled(service):
    with nothing_changes(service):
        yield


@pytest.fixture
def url(service):
    return service.service.private_url


def items(text: bytes) -> list:
    return [json.loads(line) for line in text.splitlines()]


# --- curl ---


@pytest.fixture
def curl(service):
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")

    def run(*arguments: str, data: bytes = b"") -> bytes:
        command = [program, "-sS", "--noproxy", "*", "-m", "10", *arguments]
        done = subprocess.run(command, input=data, capture_output=True, timeout=15, check=True)
        return done.stdout

    return run


def test_curl_gets_and_posts(curl, url, service):
    assert curl(f"{service.service.url}/meow") == "Meow wörld\n".encode()
    assert json.loads(curl(f"{url}/echo?value=1&times=3")) == {"value": "1", "times": 3}
    posted = curl("-H", "Content-Type: application/json", "-d", '{"value": [1]}', f"{url}/echo")
    assert json.loads(posted) == {"value": [1], "times": 1}
    form = curl("-d", "value=a%20b", "-d", "times=2", f"{url}/echo")
    assert json.loads(form) == {"value": "a b", "times": 2}
    assert curl(f"{url}/picture") == b"\x89PNG\r\n\x1a\n\0"
    head = curl("-I", f"{service.service.url}/meow").lower()
    assert b"content-length: 12" in head


def test_curl_uploads_with_a_length_and_in_chunks(curl, url):
    for more in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        kind = ["-H", "Content-Type: application/json", "--data-binary", "@-"]
        text = curl(*kind, *more, f"{url}/echo", data=json.dumps(BIG).encode())
        assert json.loads(text)["value"] == BIG["value"]


def test_curl_streams_and_keeps_its_connection(curl, url):
    assert items(curl("-N", f"{url}/purr?count=3")) == PURRS
    ports = curl(
        "-w", "%{local_port} ", "-o", "/dev/null", f"{url}/count", "-o", "/dev/null", f"{url}/count"
    )
    assert len(set(ports.split())) == 1


def test_curl_by_unix_socket_and_by_http_1_0(curl, url, service):
    path = service.service.socket_path
    told = curl(
        "--unix-socket",
        str(path),
        "-H",
        f"X-Kitten: {service.service.secret}",
        "http://k/echo?value=u",
    )
    assert json.loads(told)["value"] == "u"
    assert json.loads(curl("-0", f"{url}/echo?value=old"))["value"] == "old"
    assert items(curl("-0", f"{url}/purr?count=3")) == PURRS


def test_curl_is_told_what_was_wrong(curl, url, service):
    code = ["-o", "/dev/null", "-w", "%{http_code}"]
    for path, status in {
        f"{service.service.url}/echo": b"403", f"{url}/nosuch": b"404", f"{url}/echo?times=x": b"400",
        f"{url}/raises?what=key": b"500", f"{url}/raises?what=redirect": b"302",
        f"{url}/raises?what=teapot": b"418", f"{url}/page": b"201",
    }.items():  # fmt: skip
        assert curl(*code, path) == status
    kind = ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    assert curl(*code, *kind, f"{url}/echo", data=b"x" * 2_000_000) == b"413"


# --- the standard library ---


def test_http_client_keeps_its_connection_through_everything(service):
    one = service.service
    connection = http.client.HTTPConnection(one.host, one.port, timeout=5)
    bearer = {"Authorization": f"Bearer {one.secret}"}
    as_json = {**bearer, "Content-Type": "application/json"}

    def ask(method, path, body=None, headers=bearer, **more):
        connection.request(method, path, body, headers, **more)
        answer = connection.getresponse()
        return answer.status, answer.read()

    try:
        assert ask("GET", "/meow", headers={}) == (200, "Meow wörld\n".encode())
        first = connection.sock
        assert ask("POST", "/echo", b'{"value": 1}', as_json)[1] == b'{"value":1,"times":1}'
        chunks = iter([b'{"val', b'ue": 2}'])
        assert (
            ask("POST", "/echo", chunks, as_json, encode_chunked=True)[1]
            == b'{"value":2,"times":1}'
        )
        assert items(ask("GET", "/purr?count=3")[1]) == PURRS
        assert ask("HEAD", "/purr?count=3") == (200, b"")
        assert ask("GET", "/nosuch")[0] == 404
        assert ask("GET", "/echo", headers={})[0] == 403
        assert ask("GET", "/raises?what=key")[0] == 500
        assert ask("GET", "/meow", headers={"Connection": "close"})[0] == 200
        assert connection.sock is None
        assert first is not None
    finally:
        connection.close()


def test_urllib_sees_statuses(service, url):
    assert http_get(f"{url}/page").status == 201
    assert http_get(f"{service.service.url}/echo").status == 403


# --- aiohttp ---


def test_aiohttp_calls_uploads_and_streams(service, url):
    aiohttp = pytest.importorskip("aiohttp")

    async def chunks():
        yield b'{"value": '
        yield b"[3]}"

    async def main():
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{service.service.url}/meow") as answer:
                assert await answer.text() == "Meow wörld\n"
            async with session.post(f"{url}/echo", json=BIG) as answer:
                assert (await answer.json())["value"] == BIG["value"]
            headers = {"Content-Type": "application/json"}
            async with session.post(f"{url}/echo", data=chunks(), headers=headers) as answer:
                assert (await answer.json())["value"] == [3]
            async with session.post(f"{url}/echo", json=BIG, expect100=True) as answer:
                assert answer.status == 200
            async with session.get(f"{url}/purr?count=3") as answer:
                assert [json.loads(line) async for line in answer.content] == PURRS
            async with session.get(f"{url}/nosuch") as answer:
                assert answer.status == 404

            async def one(number):
                async with session.get(f"{url}/echo?value={number}") as answer:
                    return (await answer.json())["value"]

            assert await asyncio.gather(*map(one, range(40))) == [str(n) for n in range(40)]
            with pytest.raises(aiohttp.ClientPayloadError):
                async with session.get(f"{url}/breaks") as answer:
                    await answer.read()
        unix = aiohttp.UnixConnector(str(service.service.socket_path))
        async with aiohttp.ClientSession(connector=unix) as session:
            headers = {"X-Kitten": service.service.secret}
            async with session.get("http://k/echo?value=u", headers=headers) as answer:
                assert (await answer.json())["value"] == "u"

    asyncio.run(main())


# --- httpx ---


def test_httpx_calls_uploads_and_streams(service, url):
    httpx = pytest.importorskip("httpx")
    with httpx.Client(timeout=5, trust_env=False) as client:
        assert client.get(f"{service.service.url}/meow").text == "Meow wörld\n"
        assert client.post(f"{url}/echo", json=BIG).json()["value"] == BIG["value"]
        headers = {"Content-Type": "application/json"}
        chunks = client.post(f"{url}/echo", content=iter([b'{"value"', b":[3]}"]), headers=headers)
        assert chunks.json()["value"] == [3]
        assert client.post(f"{url}/echo", data={"value": "form"}).json()["value"] == "form"
        with client.stream("GET", f"{url}/purr?count=3") as answer:
            assert [json.loads(line) for line in answer.iter_lines()] == PURRS
        assert client.get(f"{url}/nosuch").status_code == 404
        assert client.head(f"{url}/purr").status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{url}/breaks")
        assert client.get(f"{url}/echo?value=after").json()["value"] == "after"
    transport = httpx.HTTPTransport(uds=str(service.service.socket_path))
    with httpx.Client(transport=transport) as client:
        headers = {"Authorization": f"Bearer {service.service.secret}"}
        assert client.get("http://k/echo?value=u", headers=headers).json()["value"] == "u"


def test_a_person_with_telnet_is_answered(service):
    with socket.create_connection((service.service.host, service.service.port), 5) as sock:
        for byte in b"GET /meow HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n":
            sock.send(bytes([byte]))
        data = b""
        while more := sock.recv(4096):
            data += more
    assert data.endswith("Meow wörld\n".encode())
