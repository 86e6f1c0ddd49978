"""The LIMITs' clients: a pool of keep-alive connections on httptools, and chunks found by hand."""

from __future__ import annotations

import asyncio

ARGS = ("hello", 1)
REQUEST = (
    b"POST /%b HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/x-msgpack\r\nContent-Length: %d\r\n\r\n%b"
)


class Answers(asyncio.Protocol):
    """The LIMIT's client: httptools, one call at a time."""

    def connection_made(self, transport):
        import httptools

        self.transport, self.body = transport, b""
        self.parser = httptools.HttpResponseParser(self)
        self.loop = asyncio.get_running_loop()

    def ask(self, data):
        self.waiter = self.loop.create_future()
        self.transport.write(data)
        return self.waiter

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        import msgpack

        body, self.body = self.body, b""
        self.waiter.set_result(msgpack.unpackb(body))


async def connected(address, factory):
    kind, _, where = address.partition(":")
    loop = asyncio.get_running_loop()
    if kind == "unix":
        return (await loop.create_unix_connection(factory, where))[1]
    return (await loop.create_connection(factory, "127.0.0.1", int(where)))[1]


async def http(address):
    """A pool of keep-alive connections, and nothing else."""
    import msgpack

    idle = []

    async def ask(data):
        connection = idle.pop() if idle else await connected(address, Answers)
        try:
            return await connection.ask(data)
        finally:
            idle.append(connection)

    def call():
        body = msgpack.packb({"_args": ARGS})
        return ask(REQUEST % (b"echo", len(body), body))

    return {"call": call}


class Chunks(asyncio.Protocol):
    """The LIMIT's reader of streams: chunks found by hand."""

    def connection_made(self, transport):
        self.transport, self.buffer, self.got = transport, b"", []
        self.waiter, self.begun = None, False

    def data_received(self, data):
        import msgpack

        data, pos = self.buffer + data, 0
        if not self.begun:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.buffer = data
                return
            pos, self.begun = end + 4, True
        while (line := data.find(b"\r\n", pos)) >= 0:
            size = int(data[pos:line], 16)
            end = line + 2 + size
            if end + 2 > len(data):
                break
            self.got.append(msgpack.unpackb(data[line + 2 : end]) if size else None)
            pos = end + 2
        self.buffer = data[pos:]
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


async def chunks(address):
    """A stream's items as they come."""
    import msgpack

    async def start(count):
        reader = await connected(address, Chunks)
        body = msgpack.packb({"_args": [count]})
        reader.transport.write(REQUEST % (b"stream", len(body), body))
        while True:
            if not reader.got:
                reader.waiter = asyncio.get_running_loop().create_future()
                await reader.waiter
            batch, reader.got = reader.got, []
            for item in batch:
                if item is None:
                    reader.transport.close()
                    return
                yield item

    return {"stream": start}
