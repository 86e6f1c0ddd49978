"""A kitten at work beside a test that does not know async: on a thread, or as a process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from urllib.parse import urlsplit

from kettlingar.asynctools import SyncProxy
from kettlingar.errors import NotRunning
from kettlingar.kitten import RPCKitten
from kettlingar.sync import BlockingClient
from kettlingar.transport import rendezvous

from .inside import Running, running


@dataclass(slots=True)
class Served:
    """A service at work; `proxy` calls its methods, `url` is where its public ones are."""

    kitten: RPCKitten
    proxy: SyncProxy | BlockingClient
    private_url: str

    @property
    def url(self) -> str:
        """Where public methods are, without a slash at the end."""
        return self.private_url.rpartition("/")[0]

    @property
    def secret(self) -> str:
        """The service's token."""
        return self.private_url.rpartition("/")[2]

    @property
    def port(self) -> int:
        """The TCP port on which it listens."""
        return urlsplit(self.private_url).port or 0


@contextmanager
def started(kitten_class: type[RPCKitten], args: Sequence[str] = ()) -> Iterator[Served]:
    """Run `kitten_class` as a process of its own, with a folder of its own, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="kitten-") as folder:
        kitten = kitten_class(args=[f"--app-state-dir={folder}", f"--app-data-dir={folder}", *args])
        proxy = kitten.sync_proxy()
        proxy.connect(auto_start=True, retry=1)
        url = rendezvous.read(folder, kitten.config.worker_name) or ""
        try:
            yield Served(kitten, proxy, url)
        finally:
            lock = rendezvous.StartLock(folder, kitten.config.worker_name)
            if not lock.acquire():
                with suppress(NotRunning):  # it is ending by itself
                    proxy.call("quitquitquit")
                lock.wait()
            lock.release()
            proxy.close()


@contextmanager
def served(kitten_class: type[RPCKitten], args: Sequence[str] = ()) -> Iterator[Served]:
    """Run `kitten_class` in this process, its loop on a thread of its own, until the block ends."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="kitten", daemon=True)
    thread.start()

    def there(work: Running | object) -> object:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)  # type: ignore[arg-type]

    context = running(kitten_class, args)
    try:
        one = there(context.__aenter__())
        assert isinstance(one, Running)
        client = BlockingClient.by_files(one.socket_path.parent, one.kitten.config.worker_name)
        try:
            yield Served(one.kitten, client, one.private_url)
        finally:
            client.close()
            there(context.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
