"""dispatch = "share" and proxy_protocol: who accepts, and who says who calls."""

import os
import socket
from contextlib import suppress

import pytest

from tests.helpers import http_get
from tests.helpers import wait_for as until
from tests.integration.daemon.kittens import definition

SHARED = '[[listen]]\nname = "http"\nstream = "127.0.0.1:{port}"\ndispatch = "share"\n'
PROXIED = '[[listen]]\nname = "http"\nstream = "127.0.0.1:{port}"\nproxy_protocol = true\n'
PEER = """
    from kettlingar import RPCKitten, HttpResult

    class Peer(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "peer"

        async def public_api_peer(self, request):
            return HttpResult("text/plain", repr(request.peer))
"""


def pid_from(one):
    return int(http_get(f"http://127.0.0.1:{one.port}/pid").body)


@pytest.fixture
def shared(supervisor, modules):
    one = supervisor({"steady": definition("steady:Steady", "[pool]\ninstances = 2\n" + SHARED)})
    one.ready("steady")
    return one


def test_workers_that_accept_by_themselves_do_so_from_readiness_to_drain(shared):
    one = shared
    before = set(one.pids("steady"))
    assert pid_from(one) in before
    one.ctl("restart", "steady")
    assert pid_from(one) in set(one.pids("steady")) - before
    sockets = one.ctl("sockets", "-o", "json").stdout
    assert '"dispatch":"share"' in sockets
    assert '"passed":0' in sockets


def test_they_go_on_whatever_becomes_of_the_supervisor(shared):
    one = shared
    pids = set(one.pids("steady"))
    one.crash()
    assert pid_from(one) in pids
    one.start()
    assert set(one.ready("steady")) == pids
    assert pid_from(one) in pids
    one.ctl("daemon", "upgrade")
    assert pid_from(one) in pids
    for pid in pids:
        os.kill(pid, 9)
    until(lambda: set(one.pids("steady")) and not pids & set(one.pids("steady")))
    assert pid_from(one) not in pids


@pytest.fixture
def proxied(supervisor, service_module):
    service_module("peer", PEER)

    def start(more=""):
        one = supervisor({"peer": definition("peer:Peer", PROXIED + more)})
        one.ready("peer")
        return one

    return start


def said(one, *parts):
    """What comes back for bytes that are sent one after the other."""
    with socket.create_connection(("127.0.0.1", one.port), 5) as sock, suppress(ConnectionError):
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as file:
            return file.read()
    return b""  # closed with bytes unread


GET = b"GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n"


def test_who_calls_is_who_the_proxy_says(proxied):
    one = proxied()
    assert said(one, HEADER + GET).endswith(b"('192.0.2.1', 1234)")
    assert (
        said(one, HEADER[:9], HEADER[9:30], HEADER[30:] + GET[:5], GET[5:] + GET).count(
            b"('192.0.2.1', 1234)"
        )
        == 2
    )
    local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
    assert b"127.0.0.1" in said(one, local + GET)
    one.crash()
    assert said(one, HEADER + GET).endswith(b"('192.0.2.1', 1234)")
    one.start()
    assert said(one, HEADER + GET).endswith(b"('192.0.2.1', 1234)")


def test_without_a_header_or_from_elsewhere_nothing_is_answered(proxied):
    one = proxied('proxy_from = ["127.0.0.1"]\n')
    assert said(one, GET) == b""
    assert said(one, HEADER[:20]) == b""
    assert said(one, HEADER + GET).endswith(b"('192.0.2.1', 1234)")
    assert one.status("peer")["instances"][0]["state"] == "ready"
    one.define("peer", definition("peer:Peer", PROXIED + 'proxy_from = ["192.0.2.0/24"]\n'))
    one.ctl("restart", "peer")
    assert said(one, HEADER + GET) == b""
