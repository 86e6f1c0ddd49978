"""What is held in memory: idle connections, after many requests, while a stream goes by.

    python -m benchmarks m

Each function is given a running service and returns MiB; tests use them with smaller numbers.
"""

from __future__ import annotations

import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from . import _machine as machine
from ._contest import Caller, Server, kitten
from ._load import Load
from ._rounds import Plan
from .heavy import PIECE

MIB = 1024 * 1024
GET = b"GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n"
AT_ONCE = 100  # connections before their answers are read
WS_BINARY, WS_MASKED = 0x82, 0x80


@contextmanager
def heavy() -> Iterator[tuple[Server, str]]:
    """The service, and the folder of its files."""
    with ExitStack() as stack:
        folder = stack.enter_context(machine.Folder())
        yield kitten(stack, folder, name="heavy"), folder


def allow_files(count: int) -> bool:
    """Whether this process may have so many files open, after asking for it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        if soft < count:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
    except (ValueError, OSError):
        return False
    return True


def resident(server: Server) -> float:
    """MiB of RSS."""
    return machine.memory([server.process.pid], "Rss")


def of_idle_connections(server: Server, count: int) -> float:
    """How much more is resident while `count` connections wait that had one request each."""
    with machine.dial(server.address) as first:
        first.sendall(GET)
        assert first.recv(4096)
    with ExitStack() as stack:
        before = resident(server)
        while count:
            some = [stack.enter_context(machine.dial(server.address))
                    for _ in range(min(AT_ONCE, count))]  # fmt: skip
            count -= len(some)
            for sock in some:
                sock.sendall(GET)
            for sock in some:
                assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        return resident(server) - before


def after_requests(server: Server, count: int) -> float:
    """How much more is resident after `count` requests than after the first tenth of so many."""
    port = int(server.address.rpartition(":")[2])
    answered(port, max(2000, count // 10))
    before = resident(server)
    answered(port, count)
    return resident(server) - before


def answered(port: int, count: int) -> None:
    """Half on connections that are kept, half of them on connections of a hundred."""
    for each in (0, 100):
        outcome = Load(port, "/text", count=count // 2, each=each).run(within=60)
        assert not outcome.errors, outcome.statuses


class Peak(NamedTuple):
    """MiB of RSS: the most that there was, and how far that is above what there was before."""

    reached: float
    rise: float


@contextmanager
def peak(pid: int) -> Iterator[Callable[[], Peak]]:
    """Look at a process's memory from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins at what is now
    before = _status(pid, "VmRSS")

    def seen() -> Peak:
        most = _status(pid, "VmHWM")
        return Peak(most / 1024, (most - before) / 1024)

    yield seen


def _status(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise KeyError(key)


def of_a_stream_down(server: Server, folder: str, megabytes: int) -> tuple[float, float]:
    """How far the server rises, and a process with our client, for a stream of so many MiB."""
    with ExitStack() as stack:
        client = Caller(stack, server, "heavy", folder)
        client.do(f"pour {MIB}")  # what a first stream imports is not the stream's
        ours = stack.enter_context(peak(server.process.pid))
        theirs = stack.enter_context(peak(client.pid))
        client.do(f"pour {megabytes * MIB}")
        return ours().rise, theirs().rise


def of_a_stream_up(server: Server, folder: str, megabytes: int) -> float:
    """How far the server rises that takes a WebSocket's messages, as fast as it can."""
    with machine.dial(f"unix:{folder}/bench.sock") as sock:
        _upgrade(sock, folder)
        _send_frames(sock, 1)
        with peak(server.process.pid) as ours:
            _send_frames(sock, megabytes)
            return ours().rise


def _upgrade(sock: socket.socket, folder: str) -> None:
    token = Path(folder, "bench.url").read_text().rpartition("/")[2].strip()
    sock.sendall(
        b"GET /swallow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % token.encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101"), head


def _send_frames(sock: socket.socket, megabytes: int) -> None:
    """So many MiB in messages of 64 KiB (their mask is 0), then the question how much it was."""
    frame = struct.pack("!BBQ4x", WS_BINARY, WS_MASKED | 127, len(PIECE)) + PIECE
    for _ in range(megabytes * MIB // len(PIECE)):
        sock.sendall(frame)
    sock.sendall(struct.pack("!BB4x", WS_BINARY, WS_MASKED))
    assert sock.recv(64), "the server hung up"


def figures(plan: Plan) -> None:
    """The rows of memory, each of a service that has done nothing else."""
    many, requests, megabytes = (2000, 50_000, 100) if plan.quick else (10_000, 1_000_000, 1024)
    if allow_files(many + 100):
        with heavy() as (server, _folder):
            more = of_idle_connections(server, many)
        plan.fact("m", f"RSS of {many:,} idle connections", "MiB", more, f"<= {many // 100}")
    else:
        plan.skipped.append(f"row m: this process may not have {many} files open")
    with heavy() as (server, _folder):
        more = after_requests(server, requests)
    plan.fact("m", f"RSS after {requests:,} requests", "MiB", more, "<= 2")
    what = f"RSS while {megabytes} MiB stream"
    with heavy() as (server, folder):
        server_rise, client_rise = of_a_stream_down(server, folder, megabytes)
    plan.fact("m", f"{what} out, server", "MiB", server_rise, "<= 8")
    plan.fact("m", f"{what} out, client", "MiB", client_rise, "<= 8")
    with heavy() as (server, folder):
        more = of_a_stream_up(server, folder, megabytes)
    plan.fact("m", f"{what} in, server", "MiB", more, "<= 8")
