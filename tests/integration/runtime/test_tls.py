"""HTTP and HTTPS on one port: the same checks on both, and what only TLS has."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from kettlingar import HttpResult, RPCKitten
from kettlingar.errors import ConfigError, NotRunning
from kettlingar.testing import running
from kettlingar.tlskitten import TLSKitten
from kettlingar.webkitten import Route, WebKitten

from .kittens import Tricks

pytest.importorskip("cryptography", reason="extra 'tls'")

from kettlingar.certificates import keep_self_signed


class Secure(Tricks, TLSKitten):
    class Configuration(Tricks.Configuration, TLSKitten.Configuration):
        TLS_CERT = TLSKitten.SELF_SIGNED

    async def api_size(self, request_info):
        return len(request_info.body)

    async def public_api_many(self, request_info, count: int = 100):
        yield HttpResult("text/plain")
        for number in range(count):
            yield f"{number}\n" * 1000


class Way:
    """One of the two ways to the same port."""

    def __init__(self, kitty, scheme):
        self.kitty = kitty
        self.scheme = scheme
        self.context = None
        if scheme == "https":
            folder = Path(kitty.kitten.config.app_state_dir)
            self.context = ssl.create_default_context(cafile=folder / "tester.pem")
            self.context.set_alpn_protocols(["h2", "http/1.1"])

    def open(self):
        host, port = "localhost", self.kitty.port
        if self.context is None:
            return http.client.HTTPConnection(host, port, timeout=5)
        return http.client.HTTPSConnection(host, port, timeout=5, context=self.context)

    def get(self, path, method="GET", body=None, headers=()):
        def ask():
            connection = self.open()
            try:
                connection.request(method, path, body=body, headers=dict(headers))
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                connection.close()

        return asyncio.to_thread(ask)

    async def raw(self, *pieces):
        """Send pieces, one segment each; return all that comes until the end."""
        reader, writer = await self.connect()
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        data = await asyncio.wait_for(reader.read(), 5)
        await hang_up(writer)
        return data

    async def connect(self):
        name = "localhost" if self.context else None
        return await asyncio.open_connection(
            "127.0.0.1", self.kitty.port, ssl=self.context, server_hostname=name
        )


async def hang_up(writer):
    writer.close()
    with suppress(OSError):  # it may have been reset
        await writer.wait_closed()


@pytest.fixture(params=["http", "https"])
def on_both(request, run_async):
    """`on_both(check, *args)`: run it against a fresh service by this way."""

    def run(check, *args, kitten=Secure):
        async def main():
            async with running(kitten, args) as kitty:
                await check(Way(kitty, request.param))

        run_async(main())

    return run


@pytest.fixture
def on_https(run_async):
    """`on_https(check, *args)`: run it against a fresh service by TLS."""

    def run(check, *args, kitten=Secure):
        async def main():
            async with running(kitten, args) as kitty:
                await check(Way(kitty, "https"))

        run_async(main())

    return run


# --- the same on both -------------------------------------------------------------------------


def test_methods_answer_with_and_without_credentials(on_both, loop_kind):
    async def check(way):
        assert (await way.get("/meow"))[::2] == (200, b"Meow world, meow!\n")
        assert (await way.get("/echo?value=1"))[0] == 403
        status, _, body = await way.get(f"/{way.kitty.secret}/echo?value=1")
        assert (status, json.loads(body)) == (200, {"value": "1", "times": 1})

    on_both(check)


def test_a_connection_carries_many_requests(on_both, loop_kind):
    async def check(way):
        def ask():
            connection = way.open()
            for _ in range(20):
                connection.request("GET", "/meow")
                assert connection.getresponse().read() == b"Meow world, meow!\n"
            connection.close()

        await asyncio.to_thread(ask)

    on_both(check)


def test_pipelined_requests_are_answered_in_order(on_both, loop_kind):
    async def check(way):
        one = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
        last = b"GET /meow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        data = await way.raw(one % b"meow" + one % b"both" + last)
        assert data.count(b"HTTP/1.1 200 OK") == 3
        assert data.index(b'"public"') > data.index(b"Meow")

    on_both(check)


def test_large_bodies_travel_both_ways(on_both, loop_kind):
    async def check(way):
        text = os.urandom(350_000).hex()
        body = json.dumps({"value": text}).encode()
        headers = {"Content-Type": "application/json"}
        path = f"/{way.kitty.secret}/echo"
        status, _, answer = await way.get(path, "POST", body, headers)
        assert (status, json.loads(answer)["value"]) == (200, text)

    on_both(check)


def test_streams_arrive_whole(on_both, loop_kind):
    async def check(way):
        status, headers, body = await way.get("/many?count=300")
        assert (status, headers["Transfer-Encoding"]) == (200, "chunked")
        assert body == b"".join(b"%d\n" % n * 1000 for n in range(300))

    on_both(check)


def test_head_and_http10_and_expect_are_as_ever(on_both):
    async def check(way):
        head = await way.raw(b"HEAD /meow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert b"Content-Length: 18" in head
        assert (await way.raw(b"GET /meow HTTP/1.0\r\n\r\n")).endswith(b"meow!\n")
        reader, writer = await way.connect()
        writer.write(
            b"POST /meow HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
            b"Content-Type: application/json\r\nConnection: close\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        await hang_up(writer)

    on_both(check)


def test_bad_requests_and_limits_have_their_status_and_an_end(on_both):
    async def check(way):
        assert (await way.raw(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")).startswith(b"HTTP/1.1 400")
        long = b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        assert (await way.raw(long)).startswith(b"HTTP/1.1 414")
        much = b"POST /meow HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
        assert (await way.raw(much, b"x" * 100_000)).startswith(b"HTTP/1.1 413")

    on_both(check)


def test_slow_heads_and_bodies_are_told_so(on_both):
    async def check(way):
        assert (await way.raw(b"GET /meow HT")).startswith(b"HTTP/1.1 408")
        begun = b"POST /meow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"
        assert (await way.raw(begun)).startswith(b"HTTP/1.1 408")

    on_both(check, "--worker-http-request-timeout1=0.2", "--worker-http-request-timeout2=0.3")


def test_a_head_in_single_bytes_is_read(on_both):
    async def check(way):
        request = b"GET /meow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        pieces = [request[i : i + 1] for i in range(len(request))]
        assert (await way.raw(*pieces)).endswith(b"meow!\n")

    on_both(check)


def test_a_slow_reader_slows_the_generator_down_and_its_end_ends_it(on_both, loop_kind):
    async def check(way):
        kitten = way.kitty.kitten
        reader, writer = await way.connect()
        writer.write(b"GET /%b/flood HTTP/1.1\r\nHost: a\r\n\r\n" % way.kitty.secret.encode())
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != kitten.produced:  # until nothing more goes
            before = kitten.produced
            await asyncio.sleep(0.1)
        assert kitten.produced * 10_000 < 16_000_000
        writer.transport.abort()
        await asyncio.wait_for(kitten.cancelled.wait(), 5)

    on_both(check)


def test_a_raw_method_writes_its_own_answer(on_both):
    async def check(way):
        assert (await way.get("/hello"))[::2] == (200, b"hi")

    on_both(check)


def test_a_drain_lets_a_call_finish(on_both):
    async def check(way):
        call = asyncio.create_task(way.get(f"/{way.kitty.secret}/sleep?seconds=0.3"))
        server = way.kitty.runtime.server
        async with asyncio.timeout(5):
            while not server.in_flight:
                await asyncio.sleep(0.01)
        assert await server.drain(5)
        assert (await call)[0] == 200

    on_both(check)


def test_too_many_connections_are_told_so_if_they_speak_plainly(on_both):
    async def check(way):
        others = [await asyncio.open_connection("127.0.0.1", way.kitty.port) for _ in range(2)]
        if way.scheme == "http":
            data = await way.raw(b"GET /meow HTTP/1.1\r\nHost: a\r\n\r\n")
            assert data.startswith(b"HTTP/1.1 503")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await way.connect()
        for _, writer in others:
            await hang_up(writer)

    on_both(check, "--worker-max-connections=3")  # the fixture's client is one of them


# --- TLS --------------------------------------------------------------------------------------


def test_one_connection_has_tls13_and_http11(on_https, loop_kind):
    async def check(way):
        _, writer = await way.connect()
        tls = writer.get_extra_info("ssl_object")
        assert (tls.version(), tls.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        await hang_up(writer)

    on_https(check)


def test_versions_before_12_are_refused_with_an_alert(on_https):
    def record(kind, data):
        return bytes([kind, 3, 1]) + len(data).to_bytes(2, "big") + data

    async def check(way):
        body = b"\x03\x01" + bytes(32) + b"\x00" + b"\x00\x02\x00\x2f" + b"\x01\x00"  # TLS 1.0
        hello = record(0x16, b"\x01" + len(body).to_bytes(3, "big") + body)
        assert (await Way(way.kitty, "http").raw(hello))[-2:] == b"\x02\x46"  # protocol_version

    on_https(check)


def test_renegotiation_is_refused(on_https):
    openssl = shutil.which("openssl") or pytest.skip("no openssl here")

    async def check(way):
        command = [openssl, "s_client", "-tls1_2", "-connect", f"127.0.0.1:{way.kitty.port}"]

        def ask():
            return subprocess.run(
                command, input=b"R\n", capture_output=True, timeout=10, check=False
            )

        done = await asyncio.to_thread(ask)
        assert b"RENEGOTIATING" in done.stdout + done.stderr
        assert b"no renegotiation" in done.stdout + done.stderr

    on_https(check)


def test_the_end_is_a_close_notify(on_https, loop_kind):
    async def check(way):
        def ask():
            way.context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
            with (
                socket.create_connection(("127.0.0.1", way.kitty.port), 5) as plain,
                way.context.wrap_socket(
                    plain, server_hostname="localhost", suppress_ragged_eofs=False
                ) as tls,
            ):
                tls.sendall(b"GET /meow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                data = b""
                while piece := tls.recv(65536):  # a cut would be an SSLEOFError
                    data += piece
                return data

        assert (await asyncio.to_thread(ask)).endswith(b"meow!\n")

    on_https(check)


def test_a_goodbye_in_the_same_segment_as_the_request_still_gets_the_answer(on_https, loop_kind):
    async def check(way):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = way.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", way.kitty.port)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65536))
        tls.write(b"GET /meow HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        writer.write(outgoing.read())
        incoming.write(await reader.read())
        assert tls.read(65536).endswith(b"meow!\n")
        await hang_up(writer)

    on_https(check)


def test_half_a_hello_costs_its_deadline_and_no_processor_time(on_https, loop_kind):
    async def check(way):
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection("127.0.0.1", way.kitty.port)
        writer.write(b"\x16\x03\x01\x02\x00\x01")
        began, used = loop.time(), os.times()
        assert await reader.read() == b""
        assert 0.4 < loop.time() - began < 3
        now = os.times()
        assert now.user + now.system - used.user - used.system < 0.25
        await hang_up(writer)
        assert (await way.get("/meow"))[0] == 200

    on_https(check, "--tls-handshake-timeout=0.5")


def test_a_hello_in_single_bytes_is_read(on_https):
    async def check(way):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = way.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", way.kitty.port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        for byte in outgoing.read():
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        incoming.write(await reader.read(65536))
        tls.do_handshake()
        await hang_up(writer)

    on_https(check)


def test_garbage_after_the_first_byte_ends_its_connection_only(on_https, loop_kind):
    async def check(way):
        plain = Way(way.kitty, "http")
        assert await plain.raw(b"\x16garbage that is no record" * 10) == b""
        assert (await way.get("/meow"))[0] == 200

    on_https(check)


def test_a_broken_record_in_mid_connection_ends_it(on_https):
    async def check(way):
        server = way.kitty.runtime.server
        before = len(server.connections)
        _, writer = await way.connect()
        sock = writer.get_extra_info("socket")
        os.write(sock.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
        async with asyncio.timeout(5):
            while len(server.connections) > before:
                await asyncio.sleep(0.01)
        await hang_up(writer)

    on_https(check)


def test_a_connection_cannot_be_given_to_another_process(on_https):
    class Giving(Secure):
        async def api_give(self, request_info):
            request_info.fileno()

    async def check(way):
        status, _, body = await way.get(f"/{way.kitty.secret}/give")
        assert status == 500
        assert "encrypted" in json.loads(body)["error"]

    on_https(check, kitten=Giving)


def test_without_a_certificate_there_is_plain_http_only(run_async):
    class Plain(Tricks, TLSKitten):
        pass

    async def main():
        async with running(Plain) as kitty:
            way = Way(kitty, "http")
            assert (await way.get("/meow"))[0] == 200
            assert (await way.raw(b"\x16\x03\x01\x00\x05hello")).startswith(b"HTTP/1.1 400")

    run_async(main())


# --- the certificate --------------------------------------------------------------------------


def test_the_key_file_is_private_and_stays_the_same(run_async, tmp_path):
    async def start():
        async with running(Secure, [f"--app-state-dir={tmp_path}"]):
            found = (tmp_path / "tester.pem").stat()
            assert stat.S_IMODE(found.st_mode) == 0o600
            return (tmp_path / "tester.pem").read_bytes()

    first = run_async(start())
    assert run_async(start()) == first
    assert [path.name for path in tmp_path.glob("*pem*")] == ["tester.pem"]


def test_other_names_make_another_certificate(run_async, tmp_path):
    async def names(*args):
        async with running(Secure, [f"--app-state-dir={tmp_path}", *args]) as kitty:
            way = Way(kitty, "https")
            _, writer = await way.connect()
            found = writer.get_extra_info("peercert")["subjectAltName"]
            await hang_up(writer)
            return found

    assert {("DNS", "localhost"), ("IP Address", "127.0.0.1")} <= set(run_async(names()))
    assert ("DNS", "kitty.example") in run_async(names("--tls-cert-name=kitty.example"))
    hosts = '--worker-allowed-hosts=["cat.example:8443", "localhost", "127.0.0.1"]'
    assert ("DNS", "cat.example") in run_async(names(hosts))


def test_own_files_are_used_and_bad_ones_named(run_async, tmp_path):
    keep_self_signed(tmp_path / "own.pem", "own", ["localhost"], 10)
    pem = (tmp_path / "own.pem").read_text()
    key, mark, cert = pem.partition("-----BEGIN CERTIFICATE")
    (tmp_path / "key").write_text(key)
    (tmp_path / "cert").write_text(mark + cert)

    async def main(*args):
        async with running(Secure, args) as kitty:
            way = Way(kitty, "http")
            way.scheme, way.context = "https", ssl.create_default_context(cafile=tmp_path / "cert")
            assert (await way.get("/meow"))[0] == 200

    run_async(main(f"--tls-cert={tmp_path}/cert", f"--tls-key={tmp_path}/key"))
    with pytest.raises(ConfigError, match=r"tls_cert .*/nothing: No such file"):
        run_async(main(f"--tls-cert={tmp_path}/nothing"))
    with pytest.raises(ConfigError, match="cannot use tls_cert"):
        run_async(main(f"--tls-cert={tmp_path}/cert", f"--tls-key={tmp_path}/cert"))


def test_a_new_certificate_is_used_for_new_connections_and_cuts_none(on_https, tmp_path):
    keep_self_signed(tmp_path / "new.pem", "new", ["localhost", "new.example"], 10)

    async def names(way):
        _, writer = await way.connect()
        found = writer.get_extra_info("peercert")["subjectAltName"]
        await hang_up(writer)
        return found

    async def check(way):
        reader, writer = await way.connect()
        await way.kitty.client.call("config", "tls_cert", val=str(tmp_path / "new.pem"))
        way.context.load_verify_locations(tmp_path / "new.pem")
        assert ("DNS", "new.example") in await names(way)
        writer.write(b"GET /meow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"meow!\n")
        await hang_up(writer)
        (tmp_path / "new.pem").write_text("no certificate")
        with pytest.raises(ConfigError, match="cannot use tls_cert"):
            way.kitty.kitten.renew_tls()
        assert ("DNS", "new.example") in await names(way)

    on_https(check)


def test_curl_trusts_it_by_file(on_https, loop_kind):
    curl = shutil.which("curl") or pytest.skip("no curl here")

    async def check(way):
        folder = way.kitty.kitten.config.app_state_dir
        command = [curl, "-sS", "--noproxy", "*", "--cacert", f"{folder}/tester.pem", "-m", "5"]
        urls = [f"https://localhost:{way.kitty.port}/{path}" for path in ("meow", "both")]

        def ask():
            return subprocess.run([*command, *urls], capture_output=True, check=False)

        done = await asyncio.to_thread(ask)
        assert done.stdout.startswith(b"Meow world, meow!\n"), done.stderr

    on_https(check)


def test_https_url_is_for_clients_and_methods(run_async):
    async def main():
        async with running(Secure) as kitty:
            folder = kitty.kitten.config.app_state_dir
            client = await Secure(args=[f"--app-state-dir={folder}"]).connect()
            assert client.https_url("/meow") == f"https://127.0.0.1:{kitty.port}/meow"
            client._client.close()
            assert kitty.kitten.https_url("/meow") == f"https://127.0.0.1:{kitty.port}/meow"
        with pytest.raises(NotRunning, match="no TCP address"):
            Secure(args=[f"--app-state-dir={folder}"]).https_url()

    run_async(main())


def test_https_url_names_a_web_kittens_pages_too(run_async):
    class Pages(RPCKitten, TLSKitten, WebKitten):
        class Configuration(RPCKitten.Configuration, TLSKitten.Configuration):
            TLS_CERT = TLSKitten.SELF_SIGNED

        WEB_ROUTES = (Route("/zeroes/<int:n>/", "api_zeroes", public=True),)

        async def api_zeroes(self, request_info, n: int = 10):
            yield HttpResult("text/plain", "0")
            for _ in range(n - 1):
                yield b"0"

    async def main():
        async with running(Pages) as kitty:
            folder = kitty.kitten.config.app_state_dir
            client = await Pages(args=[f"--app-state-dir={folder}"]).connect()
            url = client.https_url("/zeroes/8/")
            assert url.startswith(f"https://127.0.0.1:{kitty.port}/")
            context = ssl.create_default_context(cafile=f"{folder}/kettlingar.pem")

            def fetch():
                opener = urllib.request.build_opener(
                    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
                )
                with opener.open(url, timeout=5) as answer:
                    return answer.read()

            assert await asyncio.to_thread(fetch) == b"00000000"
            client._client.close()

    run_async(main())
