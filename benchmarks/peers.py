"""Servers and clients of others, run by the venv that has them (see peers.txt).

python -m benchmarks.peers NAME unix:PATH|tcp:PORT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


async def asgi(scope, receive, send):
    """The same methods as a bare ASGI application: no framework."""
    import msgpack

    kind = b"application/x-msgpack"
    if scope["path"] == "/text":
        kind, out = b"text/plain", b"Hello, world!"
    elif scope["path"] == "/json":
        kind, out = b"application/json", json.dumps({"message": "Hello, world!"}).encode()
    else:
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        text, n = msgpack.unpackb(body)["_args"]
        out = msgpack.packb({"ok": True, "text": text, "n": n})
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(out))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": out})


def uvicorn(kind, where):
    import uvicorn as server

    place = {"uds": where} if kind == "unix" else {"host": "127.0.0.1", "port": int(where)}
    server.run(asgi, loop="uvloop", http="httptools", access_log=False, log_level="warning",
               lifespan="off", backlog=2048, **place)  # fmt: skip


def granian(kind, where):
    program = str(Path(sys.executable).parent / "granian")
    place = ["--uds", where] if kind == "unix" else ["--host", "127.0.0.1", "--port", where]
    os.execv(program, [program, "--interface", "asginl", "--workers", "1", "--loop", "uvloop",
                       "--no-log", "--no-ws", "--http", "1", *place, "benchmarks.peers:asgi"])  # fmt: skip


def pyro5(kind, where):
    import Pyro5.api

    assert kind == "unix"
    Pyro5.config.SERIALIZER = "msgpack"

    @Pyro5.api.expose
    class Echo:
        def echo(self, text, n):
            return {"ok": True, "text": text, "n": n}

    daemon = Pyro5.api.Daemon(unixsocket=where)
    daemon.register(Echo, "echo")
    daemon.requestLoop()


SERVERS = {"uvicorn": uvicorn, "granian": granian, "pyro5": pyro5}


async def aiohttp_caller(address):
    """A call by aiohttp's client."""
    import aiohttp
    import msgpack

    kind, _, where = address.partition(":")
    unix = kind == "unix"
    connector = aiohttp.UnixConnector(where, limit=32) if unix else aiohttp.TCPConnector(limit=32)
    session = aiohttp.ClientSession(connector=connector)
    url = "http://localhost/echo" if unix else f"http://127.0.0.1:{where}/echo"
    headers = {"Content-Type": "application/x-msgpack"}

    async def call():
        body = msgpack.packb({"_args": ("hello", 1)})
        async with session.post(url, data=body, headers=headers) as answer:
            return msgpack.unpackb(await answer.read())

    return call


def pyro5_caller(address):
    """A call by Pyro5's proxy."""
    import Pyro5.api

    Pyro5.config.SERIALIZER = "msgpack"
    proxy = Pyro5.api.Proxy("PYRO:echo@./u:" + address.partition(":")[2])
    return lambda: proxy.echo("hello", 1)


if __name__ == "__main__":
    SERVERS[sys.argv[1]](*sys.argv[2].split(":", 1))
