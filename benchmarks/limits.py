"""The LIMITs: the least Python that does the same job, without access control, conversion,
timeouts or logging.

    python -m benchmarks.limits NAME unix:PATH|tcp:PORT [uvloop|asyncio]
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import threading

import httptools
import msgpack

MSGPACK = b"application/x-msgpack"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
JOINED = 16 * 1024


async def echo(body):
    text, n = msgpack.unpackb(body)["_args"]
    return MSGPACK, msgpack.packb({"ok": True, "text": text, "n": n})


async def text(_body):
    return b"text/plain", b"Hello, world!"


async def as_json(_body):
    return b"application/json", json.dumps({"message": "Hello, world!"}).encode()


METHODS = {b"/echo": echo, b"/text": text, b"/json": as_json}


class Http(asyncio.Protocol):
    """HTTP/1.1 on httptools; each request is a task, as a framework's has to be."""

    def connection_made(self, transport):
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.create_task = asyncio.get_running_loop().create_task
        self.body = b""

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_url(self, url):
        self.url = url

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        body, self.body = self.body, b""
        self.create_task(self.run(METHODS[self.url], body))

    async def run(self, method, body):
        kind, out = await method(body)
        self.transport.write(HEAD % (kind, len(out), out))
        if not self.parser.should_keep_alive():
            self.transport.close()


async def items(count):
    for i in range(count):
        yield {"n": i, "name": "item", "ok": True}


class Stream(asyncio.Protocol):
    """A generator's items as chunks, joined up to 16 KiB, with flow control."""

    def connection_made(self, transport):
        self.transport = transport
        self.may_write = asyncio.Event()
        self.may_write.set()

    def pause_writing(self):
        self.may_write.clear()

    def resume_writing(self):
        self.may_write.set()

    def connection_lost(self, exc):
        self.may_write.set()

    def data_received(self, data):
        body = data[data.find(b"\r\n\r\n") + 4 :]
        count = msgpack.unpackb(body)["_args"][0]
        self.task = asyncio.get_running_loop().create_task(self.run(count))

    async def run(self, count):
        out, size = [STREAM], 0
        async for item in items(count):
            data = msgpack.packb(item)
            data = b"%x\r\n%b\r\n" % (len(data), data)
            out.append(data)
            size += len(data)
            if size < JOINED:
                continue
            self.transport.write(b"".join(out))
            size = 0
            out.clear()
            if not self.may_write.is_set():
                await self.may_write.wait()
        self.transport.write(b"".join(out) + b"0\r\n\r\n")


async def listen(address, factory):
    """Serve `factory` there for ever."""
    kind, _, where = address.partition(":")
    loop = asyncio.get_running_loop()
    if kind == "unix":
        server = await loop.create_unix_server(factory, where, backlog=1024)
    else:
        server = await loop.create_server(factory, "127.0.0.1", int(where), backlog=1024)
    async with server:
        await server.serve_forever()


def pingpong(address):
    """Blocking ping-pong, a thread for each connection."""
    kind, _, where = address.partition(":")
    assert kind == "unix"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(where)
    sock.listen(64)

    def serve(one):
        while data := one.recv(65536):
            one.sendall(data)

    while True:
        threading.Thread(target=serve, args=(sock.accept()[0],), daemon=True).start()


class Mini(asyncio.Protocol):
    """The least service: whatever comes, it says that it is well."""

    answer = HEAD % (b"application/json", 11, b'{"ok":true}')

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(self.answer)


def mini(address):
    """One such service."""
    asyncio.run(listen(address, Mini))


def zygote(folder, count):
    """Import once, freeze, fork each service; and another one when one dies."""
    gc.collect()
    gc.freeze()
    running = {}

    def start(i):
        path = f"{folder}/{i}.sock"
        child = os.fork()
        if child:
            running[child] = i
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            mini(f"unix:{path}")
        finally:
            os._exit(1)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for i in range(count):
            start(i)
        while True:
            start(running.pop(os.wait()[0]))
    finally:
        for child in running:
            os.kill(child, signal.SIGKILL)


def main(name, address, loop="asyncio"):
    if loop == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    if name == "pingpong":
        pingpong(address)
    elif name == "zygote":
        zygote(address, int(loop))
    else:
        asyncio.run(listen(address, {"http": Http, "stream": Stream, "mini": Mini}[name]))


if __name__ == "__main__":
    main(*sys.argv[1:])
