"""Both ends of a socket, recorded; facts to wait for on a running loop."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import contextmanager

from kettlingar.transport.fdpass import close_all
from kettlingar.transport.stream import SocketStream


class Recorder:
    """What a stream said to its receiver."""

    def __init__(self):
        self.data, self.fds, self.ends = b"", [], []

    def received(self, data, fds):
        self.data += data
        self.fds += fds

    def ended(self, error):
        self.ends.append(error)


async def until(fact, within=5.0):
    """Return as soon as `fact()` is true."""
    async with asyncio.timeout(within):
        while not fact():
            await asyncio.sleep(0.001)


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one, other


PAIRS = {"tcp": tcp_pair, "unix": socket.socketpair}


@contextmanager
def stream_and_peer(kind="unix", *, takes_fds=False, receiver=None):
    """A started stream, its recorder, and the other end as a plain blocking socket."""
    ours, peer = PAIRS[kind]()
    ours.setblocking(False)
    peer.settimeout(5)
    recorder = receiver or Recorder()
    stream = SocketStream(asyncio.get_running_loop(), ours, recorder, takes_fds=takes_fds)
    stream.start()
    try:
        yield stream, recorder, peer
    finally:
        stream.abort()
        peer.close()
        close_all(getattr(recorder, "fds", ()))


def count_fds():
    return len(os.listdir("/proc/self/fd"))


def a_file():
    return os.open("/dev/null", os.O_RDONLY)
