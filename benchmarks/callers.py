"""Clients: one process each, told by its standard input what to measure next.

    python -m benchmarks.callers NAME ADDRESS [uvloop|asyncio]

    one SECONDS     one call at a time:      {"p50_us", "cpu_us"}
    fd SECONDS      the same with an open file as argument
    plain SECONDS   the same method with a text in its place
    many SECONDS    32 calls in flight:      {"per_second", "cpu_us"}
    stream COUNT    the items of a stream:   {"per_second", "cpu_us"}
    late COUNT      items after pauses:      {"p50_us"}
    pour BYTES      a stream of pieces:      {"per_second", "cpu_us"}

`cpu_us` is this process's part. Started once, so that rounds can be short and many.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time

from .limit_callers import ARGS, chunks, http

IN_FLIGHT = 32


class Measure:
    """CPU time and the like of one round."""

    def __init__(self):
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def done(self, count, **more):
        seconds = time.perf_counter() - self.began
        cpu = (time.process_time() - self.cpu) / count * 1e6
        return {"per_second": count / seconds, "cpu_us": cpu, "count": count, **more}


def median_us(times):
    times.sort()
    return times[len(times) // 2] * 1e6


# --- async ----------------------------------------------------------------------


async def one(call, seconds):
    clock, times = time.perf_counter, []
    measure = Measure()
    until = measure.began + seconds
    while (began := clock()) < until:
        await call()
        times.append(clock() - began)
    return measure.done(len(times), p50_us=median_us(times))


async def many(call, seconds):
    measure, count = Measure(), 0

    async def worker():
        nonlocal count
        while time.perf_counter() < measure.began + seconds:
            await call()
            count += 1

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return measure.done(count)


async def stream(start, wanted):
    measure, count = Measure(), 0
    async for _ in start(wanted):
        count += 1
    assert count == wanted
    return measure.done(count)


async def late(start, wanted):
    times = [time.monotonic() - item["left"] async for item in start(wanted)]
    return {"p50_us": median_us(times)}


async def kitten(address):
    """Our client, as authors get it: a method of the class."""
    from .kitten import Bench

    client = await Bench(args=[f"--app-state-dir={address}"]).connect()
    thing = open("/dev/null", "rb")  # noqa: SIM115
    return {
        "call": lambda: client.echo(*ARGS),
        "fd": lambda: client.take(thing, 1),
        "plain": lambda: client.take("hello", 1),
        "stream": client.stream,
        "late": client.late,
    }


async def heavy(address):
    """The client of a service that much goes through."""
    from .heavy import Heavy

    client = await Heavy(args=[f"--app-state-dir={address}"]).connect()

    async def pour(count):
        measure, got = Measure(), 0
        async for piece in client.pour(count):
            got += len(piece)
        assert got == count
        return measure.done(count)

    return {"pour": pour}


async def aiohttp(address):
    from .peers import aiohttp_caller

    return {"call": await aiohttp_caller(address)}


# --- blocking -------------------------------------------------------------------


def blocking_one(call, seconds):
    clock, times = time.perf_counter, []
    measure = Measure()
    until = measure.began + seconds
    while (began := clock()) < until:
        call()
        times.append(clock() - began)
    return measure.done(len(times), p50_us=median_us(times))


def blocking(address):
    """Our client without a loop."""
    from kettlingar.sync import BlockingClient

    client = BlockingClient.by_files(address, "bench")
    thing = open("/dev/null", "rb")  # noqa: SIM115
    return {
        "one": lambda: client.call("echo", *ARGS),
        "fd": lambda: client.call("take", thing, 1),
        "plain": lambda: client.call("take", "hello", 1),
    }


def pingpong(address):
    """200 bytes there and back."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(address.partition(":")[2])
    message, send, recv = b"hello" * 40, sock.sendall, sock.recv

    def call():
        send(message)
        return recv(65536)

    return {"one": call}


def pyro5(address):
    from .peers import pyro5_caller

    return {"one": pyro5_caller(address)}


ASYNC = {"kitten": kitten, "http": http, "heavy": heavy, "chunks": chunks, "aiohttp": aiohttp}
BLOCKING = {"blocking": blocking, "pingpong": pingpong, "pyro5": pyro5}


def orders():
    for line in sys.stdin:
        verb, number = line.split()
        yield verb, float(number)


def say(result):
    print(json.dumps(result), flush=True)


async def serve_async(make, address):
    """Do as the standard input says. Waiting for its next line blocks the loop: nothing runs."""
    can = await make(address)
    call = can.get("call")
    if call is not None:
        await one(call, 0.05)
        await many(call, 0.05)
    say({})
    for verb, number in orders():
        if verb == "one":
            say(await one(call, number))
        elif verb in {"fd", "plain"}:
            say(await one(can[verb], number))
        elif verb == "many":
            say(await many(call, number))
        elif verb == "pour":
            say(await can["pour"](int(number)))
        elif verb == "stream":
            say(await stream(can["stream"], int(number)))
        else:
            say(await late(can["late"], int(number)))


def main(name, address, loop="asyncio"):
    if name in BLOCKING:
        calls = BLOCKING[name](address)
        blocking_one(calls["one"], 0.05)
        say({})
        for verb, number in orders():
            say(blocking_one(calls[verb], number))
        return
    if loop == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(serve_async(ASYNC[name], address))


if __name__ == "__main__":
    main(*sys.argv[1:])
