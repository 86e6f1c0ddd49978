"""What one round trip costs: SocketStream against asyncio.Protocol, on asyncio and uvloop.

    python benchmarks/transport/stream_pingpong.py [connections] [seconds]

Client and server share one loop and one core, over loopback TCP, so a figure is
the CPU time of both ends; the client is always a SocketStream. 120 bytes go,
160 come back, as a small call and its answer do. Best of five rounds.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time

import uvloop

from kettlingar.transport.acceptor import Acceptor
from kettlingar.transport.listeners import bind_tcp
from kettlingar.transport.stream import SocketStream

PING, PONG = b"p" * 120, b"q" * 160


class StreamServer:
    def __init__(self, loop, sock):
        self.stream = SocketStream(loop, sock, self)
        self.stream.start(read_now=True)

    def received(self, data, fds):
        self.stream.write(PONG)

    def ended(self, error):
        self.stream.close()


class ProtocolServer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(PONG)


class Client:
    def __init__(self, loop, address):
        sock = socket.create_connection(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.count = 0
        self.stream = SocketStream(loop, sock, self)
        self.stream.start()
        self.stream.write(PING)

    def received(self, data, fds):
        self.count += 1
        self.stream.write(PING)

    def ended(self, error):
        self.stream.close()


async def measure(kind, connections, seconds):
    loop = asyncio.get_running_loop()
    listener = bind_tcp("127.0.0.1", 0)
    address = listener.getsockname()
    if kind == "stream":
        server = Acceptor(loop, listener, lambda sock, _: StreamServer(loop, sock), print)
    else:
        server = await loop.create_server(ProtocolServer, sock=listener)
    clients = [Client(loop, address) for _ in range(connections)]
    await asyncio.sleep(0.1)
    best = float("inf")
    for _ in range(5):
        before, cpu = sum(c.count for c in clients), time.process_time()
        await asyncio.sleep(seconds)
        done = sum(c.count for c in clients) - before
        best = min(best, (time.process_time() - cpu) / done)
    for client in clients:
        client.stream.close()
    await asyncio.sleep(0.1)
    server.close()
    return best * 1e6


def main():
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.5
    for name, runner in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
        for kind in ("protocol", "stream"):
            cost = runner(measure(kind, connections, seconds))
            print(f"{name:8} {kind:9} {cost:6.1f} us CPU per round trip")


if __name__ == "__main__":
    main()
