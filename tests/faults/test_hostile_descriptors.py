"""Descriptors that nobody asked for: 100,000 of them leave a service as it was."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from kettlingar.testing import running
from kettlingar.transport.fdpass import send_fds
from tests.integration.runtime.kittens import Tricks
from tests.integration.transport.peers import a_file, count_fds

REQUESTS = {
    "to a public method": b"GET /meow HTTP/1.1\r\nHost: x\r\nKettlingar-Fds: 50\r\n\r\n",
    "that no header speaks of": b"GET /meow HTTP/1.1\r\nHost: x\r\n\r\n",
    "without credentials": b"GET /cat HTTP/1.1\r\nHost: x\r\nKettlingar-Fds: 50\r\n\r\n",
    "with credentials, to a method that takes none": (
        b"GET /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET\r\n"
        b"Kettlingar-Fds: 50\r\n\r\n"
    ),
    "with nonsense": b"\0\0\r\n\r\n",
}


def attack(path, request, fds):
    """2,000 requests with 50 descriptors each; on a new connection when the old one was ended."""
    sock = None
    for _ in range(2000):
        if sock is None:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(10)
            sock.connect(str(path))
        try:
            send_fds(sock, request, fds)
            answer = sock.recv(1 << 16)
        except OSError:
            answer = b""
        if not answer or b"Connection: close" in answer:
            sock.close()
            sock = None
    if sock is not None:
        sock.close()


@pytest.mark.parametrize("how", REQUESTS)
def test_descriptors_that_nobody_takes_are_closed(run_async, how):
    async def main():
        fd = a_file()
        async with running(Tricks) as kitty:
            request = REQUESTS[how].replace(b"SECRET", kitty.secret.encode())
            before = count_fds()
            await asyncio.to_thread(attack, kitty.socket_path, request, [fd] * 50)
            async with asyncio.timeout(5):
                while count_fds() != before:
                    await asyncio.sleep(0.01)
            assert await kitty.client.echo("alive") == {"value": "alive", "times": 1}
        os.close(fd)

    run_async(main())
