"""Descriptors of every wrong kind, sent to a kitten that is a process: it lives, and keeps none."""

from __future__ import annotations

import json
import os
import random
import resource
import select
import socket
import tempfile
import time
from contextlib import contextmanager, suppress

import pytest

from kettlingar.transport.fdpass import MAX_FDS, send_fds
from tests.helpers import descriptors, wait_for

from .processes import served

LONG = bool(os.environ.get("KETTLINGAR_LONG"))
MESSAGES = 100_000 if LONG else 200  # each with up to 253 descriptors


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def service(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fds")
    args = (f"--worker-loop={request.param}", "--worker-log-level=warning")
    with served("tests.faults.target", folder, "Target", *args) as one:
        one.client.call("seen", 1)
        yield one


@pytest.fixture(autouse=True)
def _as_before(service):
    before = len(descriptors(service.pid))
    yield
    wait_for(lambda: len(descriptors(service.pid)) <= before, 8, "descriptors as before")
    assert service.client.call("seen", "alive") == {"seen": "alive"}


@contextmanager
def connection(service):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(str(service.socket_path))
    with sock:
        yield sock


def request(token, value, fds, *, path="cat", claim=None):
    body = json.dumps(value).encode()
    lines = [
        f"POST /{path} HTTP/1.1", "Host: k", "Content-Type: application/json",
        f"Content-Length: {len(body)}", f"Kettlingar-Fds: {len(fds) if claim is None else claim}",
    ]  # fmt: skip
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def status_of(sock):
    try:
        data = sock.recv(1 << 16)
    except ConnectionError:
        return 0
    return int(data.split(b" ", 2)[1]) if data else 0


def tag(index=0, **fields):
    return {"__fd__": {"index": index, "kind": "file", "mode": "rb", **fields}}


TAGS = {
    "a socket that is a file": (tag(kind="socket"), 400),
    "a mode that is none": (tag(mode="rwx"), 400),
    "a mode of 1,000 letters": (tag(mode="r" * 1000), 400),
    "writing to what is for reading": (tag(mode="wb"), {400, 500}),
    "an encoding that is none": (tag(mode="r", encoding="rot13000"), 400),
    "an encoding that is no text codec": (tag(mode="r", encoding="base64"), {400, 500}),
    "the next index": (tag(1), 400),
    "index 252": (tag(252), 400),
    "index 2^70": (tag(2**70), 400),
    "index true": (tag(True), 400),
    "a kind that is none": (tag(kind="epoll"), 400),
    "unknown fields": (tag(nothing=1), 200),
    "no fields": ({"__fd__": {}}, 400),
    "the same one twice": ([tag(), tag()], 400),
    "none at all": (1, {400, 500}),
}


@pytest.mark.parametrize("name", TAGS)
def test_a_placeholder_that_is_wrong_is_the_callers_fault(service, name):
    value, expected = TAGS[name]
    with connection(service) as sock, open(__file__, "rb") as file:
        ask = request(service.secret, {"fd": value}, [file])
        send_fds(sock, ask, [file.fileno()])
        assert status_of(sock) in ({expected} if isinstance(expected, int) else expected)
        # The connection goes on, the next request is read as itself, and has its own descriptor.
        again = request(service.secret, {"fd": tag()}, [file])
        send_fds(sock, again, [file.fileno()])
        assert status_of(sock) == 200


def kinds():
    """Descriptors of all kinds: name -> (descriptor, things to close)."""
    left, right = socket.socketpair()
    read, write = os.pipe()
    folder = os.open("/", os.O_RDONLY)
    path = os.open("/etc/hostname", os.O_PATH)
    memory = os.memfd_create("cat")
    epoll = select.epoll()
    event = os.eventfd(0)
    gone = tempfile.TemporaryFile()  # noqa: SIM115  its caller closes it
    os.set_blocking(read, False)
    names = ["socket", "pipe", "its end", "folder", "path", "memfd", "epoll", "eventfd", "deleted"]
    numbers = [
        left.fileno(),
        read,
        write,
        folder,
        path,
        memory,
        epoll.fileno(),
        event,
        gone.fileno(),
    ]
    closers = [left.close, right.close, epoll.close, gone.close] + [
        lambda n=n: os.close(n) for n in (read, write, folder, path, memory, event)
    ]
    return dict(zip(names, numbers, strict=True)), closers


@pytest.mark.parametrize(
    "how", [{}, {"mode": "r"}, {"mode": "wb"}, {"mode": "r+b"}, {"kind": "socket"}]
)
def test_descriptors_of_every_kind_are_answered_somehow(service, how):
    found, closers = kinds()
    told = {}
    try:
        for name, fd in found.items():
            if name in {"socket", "eventfd"} and how.get("mode") != "wb":
                continue  # the author's read() would wait for them, as it should
            with connection(service) as sock:
                send_fds(sock, request(service.secret, {"fd": tag(**how)}, [fd]), [fd])
                told[name] = status_of(sock)
    finally:
        for close in closers:
            close()
    print(f"\n{how}: {told}")
    assert set(told.values()) <= {200, 400, 500}


def test_a_connection_sent_through_itself_ends_with_it(service):
    for _ in range(100):
        with connection(service) as sock:
            send_fds(sock, request("", {}, [sock], path="seen"), [sock.fileno()])
            assert status_of(sock) == 200
        with connection(service) as sock:  # and while it is nobody's: no request follows
            send_fds(sock, b"GET /se", [sock.fileno()])


def test_sockets_within_sockets_within_sockets_end(service):
    for _ in range(50):
        inner, outer = socket.socketpair()
        for _ in range(5):
            one, two = socket.socketpair()
            send_fds(one, b"x", [inner.fileno(), outer.fileno()])
            inner.close(), outer.close()
            inner, outer = one, two
        with connection(service) as sock:
            send_fds(
                sock, b"GET /seen HTTP/1.1\r\nHost: k\r\n\r\n", [inner.fileno(), outer.fileno()]
            )
            assert status_of(sock) == 200
        inner.close(), outer.close()


def test_more_than_it_may_open_are_refused_and_the_service_goes_on(service):
    """At its limit the kernel drops descriptors (MSG_CTRUNC): never lost silently."""
    old = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    limit = max(descriptors(service.pid)) + 20
    with open(os.devnull) as null, connection(service) as bystander:
        bystander.sendall(request("", {}, [], path="seen"))
        assert status_of(bystander) == 200
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (limit, old[1]))
        try:
            told = set()
            for _ in range(20):
                with connection(service) as sock:
                    fds = [null.fileno()] * 100
                    with suppress(OSError):
                        send_fds(sock, request(service.secret, {}, fds, path="seen"), fds)
                    told.add(status_of(sock))
            assert told == {0}
            bystander.sendall(request("", {}, [], path="seen"))
            assert status_of(bystander) == 200
        finally:
            resource.prlimit(service.pid, resource.RLIMIT_NOFILE, old)


CLAIMS = [
    "0",
    "1",
    "49",
    "51",
    "253",
    "254",
    "-1",
    "+1",
    "1.0",
    "٣",
    "",
    " ",
    "9" * 4000,
    "0x1",
    "1, 1",
]


def test_hostile_messages_by_the_thousand_leave_the_count_as_it_was(service):
    """Seed 11: 50 descriptors each, with and without credentials, at every place of a request."""
    chance = random.Random(11)
    messages = sent = 0
    begun = time.monotonic()
    with open(os.devnull, "rb") as null:
        while messages < MESSAGES:
            with connection(service) as sock, suppress(OSError):
                for _ in range(10):
                    count = chance.choice([1, 2, 50, 50, 50, MAX_FDS])
                    token = chance.choice(["", service.secret, "wrong"])
                    value = chance.choice(
                        [
                            {},
                            {"fd": tag(chance.randrange(60))},
                            {"value": [tag(i) for i in range(9)]},
                        ]
                    )
                    claim = chance.choice([count, count, chance.choice(CLAIMS)])
                    ask = request(
                        token,
                        value,
                        [0] * count,
                        path=chance.choice(["cat", "seen", "nix"]),
                        claim=claim,
                    )
                    at = chance.choice([0, 0, 0, chance.randrange(1, len(ask))])
                    if at:
                        sock.sendall(ask[:at])
                    send_fds(sock, ask[at:], [null.fileno()] * count)
                    messages, sent = messages + 1, sent + count
                    if chance.random() < 0.2 or not sock.recv(1 << 16):
                        break
    taken = time.monotonic() - begun
    print(f"\n{messages} messages with {sent} descriptors in {taken:.2f} s: the count is as before")
