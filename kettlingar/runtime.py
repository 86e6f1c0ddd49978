"""What a process is on the inside, with or without a supervisor: a kitten at work.

Nothing here listens, or knows of files: process.py is for one that stands alone,
supervised.py for one that does not.
"""

from __future__ import annotations

import asyncio
import faulthandler
import io
import logging
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kettlingar.transport.duplex import StreamFactory
from kettlingar.transport.stream import SocketStream
from kettlingar.wire.http11 import Limits

from .api.routing import normal_prefix
from .logs import change_level
from .requests.server import Observer, Server
from .requests.serving import Home, Hooks, Settings, home_of
from .transport.timers import Timeouts

if TYPE_CHECKING:
    from .kitten import RPCKitten

log = logging.getLogger(__name__)


def settings_of(kitten: RPCKitten, secret: str, public: list[str] | None = None) -> Settings:
    """Read a server's numbers from a kitten's configuration."""
    config = kitten.config
    return Settings(
        secret=secret,
        prefix=normal_prefix(config.worker_url_path),
        limits=Limits(
            max_head=config.worker_http_max_head,
            max_line=config.worker_http_max_line,
            max_headers=config.worker_http_max_headers,
            max_body=config.worker_http_request_max_size,
        ),
        timeouts=Timeouts(
            head=config.worker_http_request_timeout1,
            body=config.worker_http_request_timeout2,
            idle=config.worker_http_keepalive,
            send=config.worker_http_send_timeout,
        ),
        max_depth=config.worker_max_depth,
        max_connections=config.worker_max_connections,
        ws_ping=config.worker_ws_ping,
        msgpack=config.worker_use_msgpack,
        allowed_hosts=tuple(config.worker_allowed_hosts),
        public_over_tcp=None if public is None else frozenset(public),
    )


def hooks_of(kitten: RPCKitten) -> Hooks:
    """Collect what the author has overridden: what they have not costs nothing."""
    base = _base_class(type(kitten))
    names = (
        "validate_request_header",
        "get_method_name",
        "get_api_methods",
        "get_default_methods",
    )
    return Hooks(
        **{
            name: getattr(kitten, name)
            for name in names
            if getattr(type(kitten), name) is not getattr(base, name)
        },
        web_find_page=_of_mixin(kitten, "web_find_page"),
        web_error_page=_of_mixin(kitten, "web_error_page"),
        request_done=_all_of(kitten, "request_done"),
        tcp_stream=_tcp_stream(kitten),
    )


def _tcp_stream(kitten: RPCKitten) -> StreamFactory:
    """Ask the mix-in that says how bytes travel over TCP, if there is one."""
    for cls in type(kitten).__mro__:
        if "tcp_stream" in vars(cls):
            factory: StreamFactory | None = vars(cls)["tcp_stream"].__get__(kitten)()
            return factory or SocketStream
    return SocketStream


def _of_mixin(kitten: RPCKitten, name: str) -> Any:
    return getattr(kitten, name) if hasattr(type(kitten), name) else None


def _all_of(kitten: RPCKitten, name: str) -> list[Any]:
    """The functions of that name in each class of the tree: none shadows another."""
    classes = type(kitten).__mro__
    return [vars(cls)[name].__get__(kitten) for cls in classes if name in vars(cls)]


def _base_class(cls: type) -> type:
    return next(c for c in cls.__mro__ if c.__module__ == "kettlingar.kitten")


class StoppedError(Exception):
    """Somebody wanted the end before the service had begun."""

    def __str__(self) -> str:
        return "stopped before it was ready"


class Runtime:
    """A kitten at work in this process: its server, and the way to its end."""

    def __init__(
        self,
        kitten: RPCKitten,
        settings: Settings,
        observer: Observer | None,
        stop: asyncio.Event | None = None,
    ) -> None:
        self.kitten = kitten
        self._home = Home(settings)
        self.stop_wanted = kitten.stop_wanted = stop or asyncio.Event()
        self.server = Server(kitten, settings, hooks_of(kitten), observer)
        self._extra: list[asyncio.Task[None]] = []
        self._beginning: asyncio.Task[Any] | None = None

    def stop(self) -> None:
        """The end is wanted: nobody waits for preparations, however long they take."""
        self.stop_wanted.set()
        if self._beginning is not None:
            self._beginning.cancel()

    async def begin(self, servers: list[Any]) -> None:
        """Let the author prepare; after this the method table is complete.

        StoppedError: the end was wanted meanwhile.
        """
        self._home = home_of(servers, self._home.settings)
        self.kitten.serve_locally(self._home)
        for server in await self._prepared(servers):
            if hasattr(server, "serve_forever"):
                self._extra.append(asyncio.create_task(self._serve_extra(server)))
        self.kitten.read_assigned_methods()
        for begins in _all_of(self.kitten, "service_begins"):
            begins()

    async def _prepared(self, servers: list[Any]) -> list[Any]:
        self._beginning = asyncio.current_task()
        try:
            return await self.kitten.init_servers(servers) or []
        except asyncio.CancelledError:
            if self.stop_wanted.is_set():
                raise StoppedError from None
            raise
        finally:
            self._beginning = None

    async def adjust(self, settings: Settings, config: Mapping[str, Any]) -> None:
        """Settings that changed while it runs; raise ConfigError, and nothing has changed."""
        changed = self.kitten.config.apply("definition", config) if config else []
        self._home = replace(self._home, settings=settings)
        self.kitten.serve_locally(self._home)
        self.server.adjust(settings)
        for name in changed:
            hook = getattr(self.kitten, f"on_config_{name}", None)
            if hook is not None:
                await hook()

    async def _serve_extra(self, server: Any) -> None:
        """Run a server that the author has added, for as long as the service runs."""
        try:
            await server.serve_forever()
        except Exception:
            log.exception("a server that init_servers added has failed: %r", server)

    async def end(self, seconds: float) -> None:
        """Finish what runs within `seconds`, then let the author clean up."""
        await self.server.drain(seconds)
        for task in self._extra:
            task.cancel()
        await asyncio.gather(*self._extra, return_exceptions=True)
        await self.kitten.shutdown()


def watch_signals(stop: Callable[[], None]) -> None:
    """TERM and INT stop, USR2 changes the log level, USR1 dumps stacks and tasks."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGUSR2, change_level)
    faulthandler.unregister(signal.SIGUSR1)  # a worker's early one would hide what follows
    loop.add_signal_handler(signal.SIGUSR1, _log_tasks)
    # In C, so that it works while Python code blocks the loop; then Python's handler.
    faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)


def _log_tasks() -> None:
    for task in asyncio.all_tasks():
        text = io.StringIO()
        task.print_stack(file=text)
        log.warning("task %s", text.getvalue().rstrip())
