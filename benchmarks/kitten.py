"""Our contestant: one service with everything on, alone, supervised or on a shared listener.

python -m benchmarks.kitten serve --app-state-dir=DIR ...
python -m benchmarks.kitten shared PORT        two workers accept from one listener
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from kettlingar import HttpResult, RPCKitten

ITEM = {"name": "item", "ok": True}


class Bench(RPCKitten):
    """What the benchmarks call."""

    class Configuration(RPCKitten.Configuration):
        """Quiet, as one would run it under load."""

        APP_NAME = "bench"
        WORKER_NAME = "bench"
        WORKER_LOG_LEVEL = 30

    async def api_echo(self, _request, text: str, n: int):
        """A small call with a small answer."""
        return {"ok": True, "text": text, "n": n}

    async def api_take(self, _request, thing: object, n: int):
        """The same with an open file, or with a text in its place."""
        if not isinstance(thing, str):
            thing.close()
        return {"ok": True, "text": "hello", "n": n}

    async def api_stream(self, _request, count: int):
        """Many small items."""
        for i in range(count):
            yield {"n": i, "name": "item", "ok": True}

    async def api_late(self, _request, count: int):
        """Items that come after a pause each, with the time at which they left."""
        for _ in range(count):
            await asyncio.sleep(0.003)
            yield {"left": time.monotonic()}

    async def api_flood(self, _request, count: int):
        """A kilobyte per item, for readers who do not keep up."""
        for _ in range(count):
            yield b"x" * 1024

    async def public_api_text(self, _request):
        """A page of thirteen bytes."""
        return HttpResult("text/plain", "Hello, world!")

    async def public_api_json(self, _request):
        """The same in JSON."""
        return {"message": "Hello, world!"}


def shared(port: int) -> None:
    """Two workers that accept from one listener, without anybody above them."""
    from kettlingar import _compat
    from kettlingar.process import Runtime, accept_on, settings_of, watch_signals
    from kettlingar.transport.listeners import bind_tcp

    listener = bind_tcp("127.0.0.1", port, 2048)

    async def work() -> int:
        kitten = Bench(args=[])
        runtime = Runtime(kitten, settings_of(kitten, "secret"), None)
        watch_signals(runtime.stop_wanted)
        await runtime.begin([])
        acceptor = accept_on(listener, runtime.server)
        await runtime.stop_wanted.wait()
        acceptor.close()
        return 0

    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            os._exit(_compat.run(work(), "auto"))
        children.append(child)
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(each, signal.SIGTERM) for each in children])
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    if sys.argv[1] == "shared":
        shared(int(sys.argv[2]))
    else:
        Bench.Main()
