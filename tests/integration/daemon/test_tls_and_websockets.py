"""Connections that a supervisor hands over speak TLS and WebSocket as any other."""

import json
import ssl
import urllib.request

import pytest

from tests.integration.daemon.kittens import definition

pytest.importorskip("cryptography", reason="extra 'tls'")
pytest.importorskip("websockets", reason="extra 'ws'")

SECURE = """
    import os
    from kettlingar import RPCKitten
    from kettlingar.tlskitten import TLSKitten
    from kettlingar.websocket import WebSocket

    class Secure(RPCKitten, TLSKitten):
        class Configuration(RPCKitten.Configuration, TLSKitten.Configuration):
            APP_NAME = "secure"
            TLS_CERT = TLSKitten.SELF_SIGNED

        async def public_api_pid(self, request):
            return os.getpid()

        async def public_api_upper(self, request, ws: WebSocket):
            async for message in ws:
                await ws.send(message.upper())
"""

LISTEN = 'listen = ["127.0.0.1:{port}"]\n[pool]\ninstances = 2\n'


@pytest.fixture
def secure(supervisor, service_module):
    service_module("secure", SECURE)
    one = supervisor({"secure": definition("secure:Secure", LISTEN)})
    one.ready("secure")
    return one


def trust(one):
    """What a client does with the certificate that the service has made."""
    [pem] = one.home.rglob("secure.pem")
    assert pem.stat().st_mode & 0o777 == 0o600
    return ssl.create_default_context(cafile=pem)


def ask(one, scheme, context=None):
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(f"{scheme}://localhost:{one.port}/pid", timeout=5) as answer:
        return json.load(answer)


def test_https_and_http_reach_the_workers_on_one_port(secure):
    context = trust(secure)
    workers = set(secure.pids("secure"))
    assert {ask(secure, "https", context) for _ in range(8)} == workers
    assert ask(secure, "http") in workers


def test_websockets_reach_the_workers_by_both(secure):
    from websockets.sync.client import connect

    for scheme, context in (("ws", None), ("wss", trust(secure))):
        url = f"{scheme}://localhost:{secure.port}/upper"
        with connect(url, ssl=context, proxy=None, open_timeout=5) as ws:
            ws.send("meow")
            assert ws.recv(5) == "MEOW"


def test_a_stop_closes_websockets_with_1001(secure):
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with connect(f"ws://localhost:{secure.port}/upper", proxy=None) as ws:
        ws.send("meow")
        assert ws.recv(5) == "MEOW"
        secure.ctl("stop", "secure")
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(5)
        assert closed.value.rcvd.code == 1001
