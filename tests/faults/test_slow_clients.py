"""A thousand slow heads, bodies and readers: closed by the deadline, and honest clients hardly notice.

Service, slow and honest clients are three processes' worth of work on few cores, so the ratio
of latencies is printed, and asserted only where it would mean that somebody waits for the slow.
"""

from __future__ import annotations

import os
import selectors
import socket
import statistics
import time
from contextlib import suppress

import pytest

from tests.helpers import descriptors, wait_for

from .live import statuses
from .processes import served

LONG = bool(os.environ.get("KETTLINGAR_LONG"))
MANY = 1000
SECONDS = 1.0  # each deadline in these services
LIMITS = (
    f"--worker-http-request-timeout1={SECONDS}",
    f"--worker-http-request-timeout2={SECONDS}",
    f"--worker-http-send-timeout={SECONDS}",
    f"--worker-http-keepalive={SECONDS}",
    "--worker-log-level=warning",
)


class Crowd:
    """Many connections that send what they are told, and note when each is closed."""

    def __init__(self, service, first: bytes, *, small_buffer: bool = False) -> None:
        self._selector = selectors.DefaultSelector()
        self.closed_after: list[float] = []
        self.said: list[bytes] = []
        self.begun = time.monotonic()
        self._open: dict[socket.socket, list] = {}
        for _ in range(MANY):
            sock = socket.socket()
            if small_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(5)
            sock.connect((service.host, service.port))
            sock.sendall(first)
            self._open[sock] = [time.monotonic(), b""]
            if not small_buffer:  # those who read nothing look only for the end
                self._selector.register(sock, selectors.EVENT_READ)

    @property
    def left(self) -> int:
        return len(self._open)

    def drip(self, data: bytes) -> None:
        """Each of them sends a little more."""
        for sock in self._open:
            with suppress(OSError):  # closed: `look` sees it
                sock.send(data)

    def look(self, seconds: float) -> None:
        """Read what has come for so long."""
        until = time.monotonic() + seconds
        while self._open and (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                self._read(key.fileobj)

    def _read(self, sock) -> None:
        try:
            data = sock.recv(1 << 16)
        except OSError:
            data = b""
        if data:
            self._open[sock][1] += data
            return
        self.end(sock)

    def end(self, sock) -> None:
        begun, said = self._open.pop(sock)
        self.closed_after.append(time.monotonic() - begun)
        self.said.append(said)
        if sock in self._selector.get_map():
            self._selector.unregister(sock)
        sock.close()

    def close(self) -> None:
        for sock in list(self._open):
            self.end(sock)
        self._selector.close()


class Honest:
    """A client on one kept connection, whose every call is timed."""

    def __init__(self, service) -> None:
        self._service = service

    def p99(self, calls: int, between=lambda: None) -> float:
        times = []
        with socket.create_connection((self._service.host, self._service.port), 10) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(calls):
                between()
                begun = time.perf_counter()
                sock.sendall(b"GET /seen HTTP/1.1\r\nHost: k\r\n\r\n")
                assert b" 200 " in sock.recv(1 << 16)
                times.append(time.perf_counter() - begun)
        return statistics.quantiles(times, n=100)[98]


@pytest.fixture(scope="module", params=["asyncio", "uvloop"] if LONG else ["auto"])
def service(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    args = (*LIMITS, f"--worker-loop={request.param}")
    with served("tests.faults.target", folder, "Target", *args) as one:
        yield one


@pytest.fixture(autouse=True)
def _as_before(service):
    wait_for(lambda: len(descriptors(service.pid)) < 40)
    before = len(descriptors(service.pid))
    yield
    wait_for(lambda: len(descriptors(service.pid)) <= before, 8, "descriptors as before")


def measure(service, crowd, drip: bytes = b"") -> float:
    """Return honest p99 beside the crowd, which drips until all of it is closed."""
    honest = Honest(service)
    idle = honest.p99(300)
    began = time.monotonic()
    slow = crowd()
    state = {"next": time.monotonic()}

    def between():
        slow.look(0.0005)
        if drip and time.monotonic() > state["next"]:
            slow.drip(drip)
            state["next"] = time.monotonic() + 0.3

    try:
        busy = honest.p99(300, between)
        while slow.left and time.monotonic() < began + SECONDS + 8:
            slow.look(0.02)
            between()
        left = slow.left
    finally:
        slow.close()
    assert left == 0, f"{left} of {MANY} still open after {SECONDS + 8} s"
    print(
        f"\n{MANY} closed after {min(slow.closed_after):.2f} to {max(slow.closed_after):.2f} s"
        f" (deadline {SECONDS:g}); honest p99 {busy * 1e6:.0f} us, idle {idle * 1e6:.0f} us:"
        f" {busy / idle:.2f} x"
    )
    told = [statuses(said) for said in slow.said if said]
    assert all(status == [408] for status in told), told[:3]
    assert len(told) > MANY * 0.95
    assert min(slow.closed_after) > SECONDS * 0.5
    # a stall for all the slow at once would be a quarter of a second
    assert busy < max(SECONDS / 2, 20 * idle)  # who waits for the slow waits for their deadline
    return busy / idle


def test_1000_slow_heads_are_closed_by_the_deadline(service):
    head = b"GET /seen HTTP/1.1\r\nHost: k\r\nX: "
    measure(service, lambda: Crowd(service, head), b"y")


def test_1000_slow_bodies_are_closed_by_the_deadline(service):
    head = b"POST /seen HTTP/1.1\r\nHost: k\r\nContent-Length: 1000000\r\n\r\n{"
    measure(service, lambda: Crowd(service, head), b" ")


def closed_by_service(sock: socket.socket) -> bool:
    """Has the other end gone? Asked of the kernel, without reading a byte."""
    states = {1: "ESTABLISHED"}
    return states.get(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]) is None


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /flood?size=20000 HTTP/1.1",
        "GET /big?size=3000000 HTTP/1.1",
        "GET /big?size=3000000 HTTP/1.0",
    ],
    ids=["stream", "answer", "last answer"],
)
def test_1000_slow_readers_are_closed_by_the_deadline(service, request_line):
    """They read nothing at all; the kernel's buffers are filled, then nobody waits any longer."""
    many = MANY if "flood" in request_line else 100  # 3 MB each would be 3 GB
    honest = Honest(service)
    idle = honest.p99(300)
    ask = f"{request_line}\r\nHost: k\r\n\r\n".encode()
    began = time.monotonic()
    socks = []
    try:
        for _ in range(many):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(10)
            sock.connect((service.host, service.port))
            sock.sendall(ask)
            socks.append(sock)
        opened = time.monotonic() - began
        first = honest.p99(100)  # while the buffers are filled
        busy = honest.p99(200, lambda: time.sleep(0.001))
        wait_for(lambda: all(map(closed_by_service, socks)), SECONDS * 2 + 10, "all are closed")
        took = time.monotonic() - began
    finally:
        for sock in socks:
            sock.close()
    print(
        f"\n{many} that read nothing: opened in {opened:.2f} s, all closed after {took:.2f} s"
        f" (deadline {SECONDS:g}); honest p99 {busy * 1e6:.0f} us, idle {idle * 1e6:.0f} us:"
        f" {busy / idle:.2f} x; while the buffers were filled {first * 1e6:.0f} us"
    )
    assert busy < max(SECONDS / 2, 20 * idle)  # who waits for the slow waits for their deadline
    assert first < 10
    assert b"method failed" not in service.log.read_bytes()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_reader_who_is_slow_but_reads_gets_all_of_it(service, version):
    """For longer than the deadline, but never taking nothing for so long."""
    size = 3_000_000
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(5)
        sock.connect((service.host, service.port))
        sock.sendall(f"GET /big?size={size} HTTP/{version}\r\nHost: k\r\n\r\n".encode())
        got, begun = 0, time.monotonic()
        while got < size and (data := sock.recv(1 << 16)):
            got += len(data)
            if time.monotonic() < begun + 1.6 * SECONDS and got < size * 0.8:
                time.sleep(0.05)
    assert got >= size


def test_1000_that_say_nothing_are_closed_by_the_idle_deadline(service):
    crowd = Crowd(service, b"")
    try:
        crowd.look(SECONDS + 5)
        assert crowd.left == 0
        assert not any(crowd.said)
        print(f"\n{MANY} silent ones closed after {max(crowd.closed_after):.2f} s")
    finally:
        crowd.close()
