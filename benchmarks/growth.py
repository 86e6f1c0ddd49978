"""How cost grows: with services, with connections, with the length of a stream.

python -m benchmarks growth        prints the points; `--publish` draws them
"""

from __future__ import annotations

import socket
import statistics
from collections.abc import Callable
from contextlib import ExitStack

from . import _machine as machine
from . import memory
from ._contest import Caller, Server, kitten, limit
from ._rounds import Curve, Plan
from .rows_fleet import Fleet, Start, ours, zygote

PORTION = 64  # requests in flight, on as many of the connections


def curves(plan: Plan) -> None:
    """All of them."""
    with plan.peer("growth of services"):
        services(plan, (1, 5, 20, 60) if plan.quick else (1, 5, 20, 100, 250, 500))
    with plan.peer("growth of connections"):
        connections(plan, (1, 10, 100, 1000) if plan.quick else (1, 10, 100, 1000, 10_000))
    with plan.peer("growth of streams"):
        streams(plan, tuple(10**n for n in range(2, 8 if plan.quick else 9)))


def services(plan: Plan, counts: tuple[int, ...]) -> None:
    """From `kettlingard up` until all answer, and the memory of all of them together."""
    times = Curve("growth-services", "From the start until all services answer", "services",
                  "seconds")  # fmt: skip
    sizes = Curve("growth-services-memory", "Memory of all processes", "services", "MiB (PSS)")
    plan.curves += [times, sizes]
    starts: dict[str, Start] = {"kettlingard": ours, "LIMIT zygote": zygote}
    for count in counts:
        for name, start in starts.items():
            seconds = []
            for _ in range(1 if count > 100 else 3):
                fleet = Fleet(start, count)
                try:
                    seconds.append(fleet.seconds)
                    share = machine.memory(machine.family(fleet.process.pid))
                finally:
                    fleet.close()
            times.add(name, count, statistics.median(seconds))
            sizes.add(name, count, share)


def connections(plan: Plan, counts: tuple[int, ...]) -> None:
    """CPU of a request, and memory, while so many connections are open and used in turn."""
    if not memory.allow_files(max(counts) + 100):
        plan.skipped.append(f"growth: this process may not have {max(counts)} files open")
        counts = tuple(count for count in counts if count <= 500)
    costs = Curve("growth-connections", "CPU of a GET while so many connections are used in turn",
                  "connections", "µs")  # fmt: skip
    sizes = Curve("growth-connections-memory", "Memory of a worker and its connections",
                  "connections", "MiB (RSS)")  # fmt: skip
    plan.curves += [costs, sizes]
    servers: dict[str, Callable[[ExitStack], Server]] = {
        "kettlingar": lambda stack: kitten(stack, stack.enter_context(machine.Folder())),
        "LIMIT httptools": lambda stack: limit(stack, "http", f"tcp:{machine.free_port()}"),
    }
    for count in counts:
        for name, start in servers.items():
            with ExitStack() as stack:
                server = start(stack)
                socks = [stack.enter_context(machine.dial(server.address)) for _ in range(count)]
                _round(socks)
                rounds = max(1, 10_000 // count)
                before = server.cpu()
                for _ in range(rounds):
                    _round(socks)
                costs.add(name, count, (server.cpu() - before) / rounds / count * 1e6)
                sizes.add(name, count, memory.resident(server))


def _round(socks: list[socket.socket]) -> None:
    """One request on each connection, some at a time."""
    for first in range(0, len(socks), PORTION):
        some = socks[first : first + PORTION]
        for sock in some:
            sock.sendall(memory.GET)
        for sock in some:
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")


def streams(plan: Plan, sizes: tuple[int, ...]) -> None:
    """A stream of so many bytes to our client: its time, and the most that both ends hold."""
    times = Curve("growth-streams", "A stream, from the call to its last byte", "bytes", "seconds")
    peaks = Curve("growth-streams-memory", "Memory of both ends of a stream", "bytes",
                  "MiB at the peak (RSS)")  # fmt: skip
    plan.curves += [times, peaks]
    with ExitStack() as stack:
        for name, unix in (("unix socket", True), ("TCP", False)):
            folder = stack.enter_context(machine.Folder())
            server = kitten(stack, folder, unix=unix, name="heavy")
            caller = Caller(stack, server, "heavy", folder)
            caller.do(f"pour {memory.MIB}")  # what a first stream imports is not the stream's
            for size in sizes:
                with memory.peak(server.process.pid) as out, memory.peak(caller.pid) as taken:
                    times.add(name, size, _seconds(caller, size))
                    if unix:
                        peaks.add("server", size, out().reached)
                        peaks.add("client", size, taken().reached)


def _seconds(caller: Caller, size: int) -> float:
    rounds = 9 if size < 10**7 else 3
    return statistics.median(
        size / caller.do(f"pour {size}")["per_second"] for _ in range(rounds)
    )  # fmt: skip
