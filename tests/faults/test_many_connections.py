"""Clients that come and go in every way: the counts of descriptors are what they were, and nobody is lost.

KETTLINGAR_LONG=1: 100,000 connections, 40,000 of them reset before anybody could pass them on.
"""

from __future__ import annotations

import os
import random
import socket
import time
from contextlib import suppress

import pytest

from tests.helpers import descriptors, wait_for

COUNT = 100_000 if os.environ.get("KETTLINGAR_LONG") else 400
pytestmark = pytest.mark.timeout(900 if COUNT > 1000 else 60)

SERVICE = """
from kettlingar import RPCKitten

class Echo(RPCKitten):
    class Configuration(RPCKitten.Configuration):
        APP_NAME = "echo"

    async def public_api_meow(self, request_info):
        return "text/plain", "meow"
"""
DEFINITION = """
[service]
kitten = "echo:Echo"
python_path = ["{src}"]
listen = ["127.0.0.1:{port}"]

[pool]
instances = 2
"""
ASK = b"GET /meow HTTP/1.1\r\nHost: k\r\n"
RESET = b"\1\0\0\0\0\0\0\0"


def comes_and_goes(address, how, number):
    """One connection; True if it was to be answered, and was."""
    sock = socket.socket()
    with sock, suppress(OSError):
        sock.bind((f"127.0.1.{number % 250 + 1}", 0))  # there are but so many ports
        sock.settimeout(10)
        sock.connect(address)
        if how == "answered":
            sock.sendall(ASK + b"Connection: close\r\n\r\n")
            data = b""
            while more := sock.recv(4096):
                data += more
            return data.endswith(b"meow")
        if how != "reset":
            sock.sendall(ASK if how == "half" else ASK + b"\r\n")
        if how != "left":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return False


def test_connections_of_every_kind_leave_the_counts_as_they_were(supervisor, service_module):
    """Seed 5."""
    service_module("echo", SERVICE)
    one = supervisor({"echo": DEFINITION})
    workers = one.ready("echo")
    chance = random.Random(5)
    address = ("127.0.0.1", one.port)
    kinds = ["reset"] * 4 + ["half", "left", "gone", "answered", "answered", "answered"]
    for number in range(60):  # what each opens once
        comes_and_goes(address, kinds[number % 10], number)

    def counts():
        return [len(descriptors(pid)) for pid in (one.process.pid, *workers)]

    wait_for(lambda: one.status("echo")["in_flight"] == 0)
    before = counts()
    told = dict.fromkeys(kinds, 0)
    answered = 0
    begun = time.monotonic()
    for number in range(COUNT):
        how = chance.choice(kinds)
        told[how] += 1
        answered += comes_and_goes(address, how, number)
    print(f"\n{COUNT} connections in {time.monotonic() - begun:.1f} s: {told}")
    assert answered == told["answered"]
    wait_for(lambda: one.status("echo")["in_flight"] == 0, 10)
    wait_for(lambda: all(now <= then for now, then in zip(counts(), before, strict=True)), 10)
    assert one.ready("echo") == workers
    assert one.get("/meow").body == b"meow"
