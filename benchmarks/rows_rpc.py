"""Rows 1, 1s and 3: calls, blocking calls and streams."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from . import _machine as machine
from ._contest import Caller, Server, kitten, limit, peer
from ._rounds import Figures, Plan

LIMIT, PEER = "LIMIT httptools", "uvicorn+aiohttp"
FD, PLAIN = "a call with an open file", "with a text in its place"
CALL, CPU = "p50 of a call", "CPU of a call, both ends"


def calls(plan: Plan) -> None:
    """Row 1."""
    with ExitStack() as stack:
        folder = stack.enter_context(machine.Folder())
        ours = kitten(stack, folder)
        slow = kitten(stack, stack.enter_context(machine.Folder()), "--worker-loop=asyncio")
        tcp_folder = stack.enter_context(machine.Folder())
        tcp = kitten(stack, tcp_folder, unix=False)
        unix_limit = limit(stack, "http", f"unix:{folder}/limit")
        aio_limit = limit(stack, "http", f"unix:{folder}/aio", "asyncio")
        tcp_limit = limit(stack, "http", f"tcp:{machine.free_port()}")
        cpu = machine.SERVERS
        callers = {
            "kettlingar": Caller(stack, ours, "kitten", folder),
            LIMIT: Caller(stack, unix_limit, "http"),
            "kettlingar, asyncio": Caller(stack, slow, "kitten", _folder(slow), loop="asyncio"),
            f"{LIMIT}, asyncio": Caller(stack, aio_limit, "http", loop="asyncio"),
            "kettlingar, one CPU": Caller(stack, ours, "kitten", folder, cpu=cpu),
            f"{LIMIT}, one CPU": Caller(stack, unix_limit, "http", cpu=cpu),
            "kettlingar, TCP": Caller(stack, tcp, "kitten", tcp_folder),
            f"{LIMIT}, TCP": Caller(stack, tcp_limit, "http"),
        }
        with plan.peer(PEER):
            server = peer(stack, "uvicorn", f"unix:{folder}/uvicorn")
            callers[PEER] = Caller(stack, server, "aiohttp", python=machine.peers_python())
            server = peer(stack, "uvicorn", f"tcp:{machine.free_port()}")
            python = machine.peers_python()
            callers[f"{PEER}, TCP"] = Caller(stack, server, "aiohttp", python=python)
        _measure_calls(plan, callers)


def _folder(server: Server) -> str:
    words = server.process.args
    assert isinstance(words, list)
    return next(str(w).partition("=")[2] for w in words if str(w).startswith("--app-state-dir"))


def _measure_calls(plan: Plan, callers: dict[str, Caller]) -> None:
    order = f"one {plan.seconds}"
    one = {name: (lambda c=caller: c.do(order)) for name, caller in callers.items()}
    one.update(_with_and_without(plan, callers["kettlingar"]))
    found = plan.in_turn("1", one)
    found.compare(f"{CALL}, unix", "µs", "kettlingar", LIMIT, "p50_us", "<= 1.25")
    found.compare(
        f"{CALL}, asyncio", "µs", "kettlingar, asyncio", f"{LIMIT}, asyncio", "p50_us", "<= 1.25"
    )
    found.compare(f"{CALL}, TCP", "µs", "kettlingar, TCP", f"{LIMIT}, TCP", "p50_us", "<= 1.25")
    found.compare(f"{CALL}, unix", "µs", "kettlingar", PEER, "p50_us", "<= 0.5")
    found.compare(f"{CALL}, TCP", "µs", "kettlingar, TCP", f"{PEER}, TCP", "p50_us", "<= 0.5")
    found.compare(
        f"{CALL}, one CPU", "µs", "kettlingar, one CPU", f"{LIMIT}, one CPU", "p50_us", "<= 1.6"
    )
    found.compare("with a descriptor", "µs", FD, PLAIN, "p50_us", "<= 1.3")
    found.compare(CPU, "µs", "kettlingar", LIMIT, "both_us", "<= 1.6")
    named = [f"{name}{way}" for name in ("kettlingar", LIMIT, PEER) for way in ("", ", TCP")]
    many = {
        name: (lambda c=callers[name]: c.do(f"many {plan.seconds}"))
        for name in named
        if name in callers
    }
    found = plan.in_turn("1, 32 in flight", many)
    for way in ("", ", TCP"):
        what = f"calls, 32 in flight{way or ', unix'}"
        us = f"kettlingar{way}"
        found.compare(what, "/s", us, f"{LIMIT}{way}", "per_second", ">= 0.6")
        found.compare(what, "/s", us, f"{PEER}{way}", "per_second", ">= 4")


def _with_and_without(plan: Plan, caller: Caller) -> dict[str, Callable[[], Figures]]:
    """The same method, with an open file and with a text in its place."""
    orders = {FD: f"fd {plan.seconds}", PLAIN: f"plain {plan.seconds}"}
    return {name: (lambda o=order: caller.do(o)) for name, order in orders.items()}


def blocking(plan: Plan) -> None:
    """Row 1s."""
    with ExitStack() as stack:
        folder = stack.enter_context(machine.Folder())
        ours = kitten(stack, folder)
        bare = limit(stack, "pingpong", f"unix:{folder}/limit")
        callers = {
            "kettlingar": Caller(stack, ours, "blocking", folder),
            "LIMIT ping-pong": Caller(stack, bare, "pingpong"),
        }
        with plan.peer("Pyro5"):
            server = peer(stack, "pyro5", f"unix:{folder}/pyro5")
            callers["Pyro5"] = Caller(stack, server, "pyro5", python=machine.peers_python())
        order = f"one {plan.seconds}"
        ways = {name: (lambda c=caller: c.do(order)) for name, caller in callers.items()}
        found = plan.in_turn("1s", ways | _with_and_without(plan, callers["kettlingar"]))
        what = "p50 of a blocking call"
        found.compare(what, "µs", "kettlingar", "LIMIT ping-pong", "p50_us", "<= 2.6")
        found.compare(what, "µs", "kettlingar", "Pyro5", "p50_us", "<= 0.85")
        found.compare("with a descriptor, blocking", "µs", FD, PLAIN, "p50_us", "<= 1.3")


def streams(plan: Plan) -> None:
    """Row 3."""
    with ExitStack() as stack:
        folder = stack.enter_context(machine.Folder())
        ours = kitten(stack, folder)
        tcp_folder = stack.enter_context(machine.Folder())
        tcp = kitten(stack, tcp_folder, unix=False)
        joined = limit(stack, "stream", f"unix:{folder}/limit")
        tcp_joined = limit(stack, "stream", f"tcp:{machine.free_port()}")
        caller = Caller(stack, ours, "kitten", folder)
        callers = {
            "kettlingar": caller,
            "LIMIT joined": Caller(stack, joined, "chunks"),
            "kettlingar, TCP": Caller(stack, tcp, "kitten", tcp_folder),
            "LIMIT joined, TCP": Caller(stack, tcp_joined, "chunks"),
        }
        found = plan.in_turn(
            "3", {name: (lambda c=each: c.do("stream 10000")) for name, each in callers.items()}
        )
        what = "items of a stream"
        found.compare(f"{what}, unix", "/s", "kettlingar", "LIMIT joined", "per_second", ">= 0.7")
        found.compare(
            f"{what}, TCP", "/s", "kettlingar, TCP", "LIMIT joined, TCP", "per_second", ">= 0.7"
        )
        found = plan.in_turn(
            "3, late",
            {
                "late": lambda: caller.do("late 30"),
                "a call's p50": lambda: caller.do(f"one {plan.seconds / 2}"),
            },
        )
        found.compare("an item after a sleep", "µs", "late", "a call's p50", "p50_us", "<= 1.25")
        plan.fact("3", "RSS for a reader that stops", "MiB", _slow_reader(ours, folder), "<= 8")


def _slow_reader(server: Server, folder: str) -> float:
    """How much a server grows that streams 200 MB to a client that reads nothing of it."""
    import time

    import msgpack

    with machine.dial(f"unix:{folder}/bench.sock") as sock:
        with open(f"{folder}/bench.url") as file:
            token = file.read().rpartition("/")[2].strip().encode()
        pids = machine.family(server.process.pid)
        before = machine.memory(pids, "Rss")
        body = msgpack.packb({"_args": [200_000]})
        sock.sendall(
            b"POST /flood HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/x-msgpack\r\nContent-Length: %d\r\n\r\n%b"
            % (token, len(body), body)
        )
        assert sock.recv(12).endswith(b"200")
        time.sleep(1.0)
        return max(0.0, machine.memory(pids, "Rss") - before)
