"""A kitten that runs in this process, with real sockets: for async tests.

async with running(MyKitten) as kitty:
    assert (await kitty.client.meow())["data"] == "Meow world, meow!\\n"
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kettlingar.api.routing import normal_prefix
from kettlingar.calls.client import Client
from kettlingar.calls.endpoints import FileEndpoint
from kettlingar.kitten import RPCKitten
from kettlingar.process import accept_on
from kettlingar.requests.serving import url_of
from kettlingar.runtime import Runtime, settings_of
from kettlingar.transport import listeners, rendezvous


@dataclass(slots=True)
class Running:
    """A service at work in this process."""

    kitten: RPCKitten
    client: Client
    runtime: Runtime
    host: str
    port: int
    secret: str
    socket_path: Path
    prefix: str = ""

    @property
    def url(self) -> str:
        """Where public methods are, without a slash at the end."""
        return f"http://{self.host}:{self.port}{self.prefix}"

    @property
    def private_url(self) -> str:
        """Where all methods are."""
        return f"{self.url}/{self.secret}"


@asynccontextmanager
async def running(
    kitten_class: type[RPCKitten], args: Sequence[str] = ()
) -> AsyncIterator[Running]:
    """Serve `kitten_class` on a free TCP port and a unix socket until the block ends."""
    with tempfile.TemporaryDirectory(prefix="kitten-") as folder:
        kitten = kitten_class(args=[f"--app-state-dir={folder}", f"--app-data-dir={folder}", *args])
        config = kitten.config
        secret = config.worker_secret or secrets.token_urlsafe(18)
        runtime = Runtime(kitten, settings_of(kitten, secret), None)
        path = Path(folder) / f"{config.worker_name}.sock"
        sockets = [listeners.bind_tcp("127.0.0.1", 0), listeners.bind_unix(path)]
        port = sockets[0].getsockname()[1]
        await runtime.begin(list(sockets))
        acceptors = [accept_on(sock, runtime.server) for sock in sockets]
        prefix = normal_prefix(config.worker_url_path)
        rendezvous.publish(
            folder, config.worker_name, f"{url_of('127.0.0.1', port, prefix)}/{secret}"
        )
        client = Client(FileEndpoint(folder, config.worker_name))
        try:
            await client.connect(retry=0)
            yield Running(kitten, client, runtime, "127.0.0.1", port, secret, path, prefix)
        finally:
            client.close()
            for acceptor in acceptors:
                acceptor.close()
            await runtime.end(5.0)
            await asyncio.sleep(0)  # the loop notices the closed sockets
