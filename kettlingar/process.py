"""One process's life: logging, signals, the loop, drain, exit.

`Runtime` is what a process is on the inside, with or without a supervisor;
`serve` is the life of one that stands alone (`start`, `serve`, systemd).
"""

from __future__ import annotations

import asyncio
import faulthandler
import io
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kettlingar.config.paths import make_private_dir
from kettlingar.transport import listeners, rendezvous
from kettlingar.transport.acceptor import Acceptor, stream_of
from kettlingar.transport.duplex import StreamFactory
from kettlingar.transport.listeners import ListenError
from kettlingar.transport.notify import Notifier
from kettlingar.transport.peercred import peer
from kettlingar.transport.stream import SocketStream
from kettlingar.wire.http11 import Limits

from . import _compat, remembered
from .api.access import Caller
from .api.routing import normal_prefix
from .collecting import settle
from .errors import ConfigError
from .logs import begin_logging, change_level
from .server import Observer, Server
from .serving import Home, Hooks, Origin, Settings, home_of, url_of
from .transport.timers import Timeouts

if TYPE_CHECKING:
    from .config.schema import Configuration
    from .kitten import RPCKitten

log = logging.getLogger(__name__)

SECRET_BYTES = 18  # 144 random bits


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


def ignore_signals() -> None:
    """What would end the process is too late: another TERM must not keep it from tidying up."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def _log_tasks() -> None:
    for task in asyncio.all_tasks():
        text = io.StringIO()
        task.print_stack(file=text)
        log.warning("task %s", text.getvalue().rstrip())


def serve(
    kitten: RPCKitten,
    ready: Callable[[], None] | None = None,
    running: Callable[[], None] | None = None,
) -> int:
    """Serve until told to stop; return the exit code.

    `ready` is called when it answers, `running` if another process serves it already.
    """
    config = kitten.config
    begin_logging(config.worker_log_level, config.worker_log_format)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), write_through=True)
    os.umask(config.worker_umask)
    if config.worker_nice:
        os.nice(config.worker_nice)
    state = Path(config.app_state_dir)
    make_private_dir(state)
    with ExitStack() as stack:
        lock = rendezvous.StartLock(state, config.worker_name)
        if not lock.acquire():
            log.error("cannot start %s: it is running already", config.worker_name)
            if running is not None:
                running()
            return 1
        stack.callback(lock.release)
        try:
            return _compat.run(_serve(kitten, state, stack, ready), config.worker_loop)
        except (ConfigError, ListenError):
            raise  # it says all that there is to know
        except Exception:
            log.exception("cannot serve %s", config.worker_name)
            raise


async def _serve(
    kitten: RPCKitten, state: Path, stack: ExitStack, ready: Callable[[], None] | None
) -> int:
    config = kitten.config
    secret = config.worker_secret or secrets.token_urlsafe(SECRET_BYTES)
    notifier = Notifier.from_environment(os.environ)
    runtime = Runtime(kitten, settings_of(kitten, secret), None)
    watch_signals(runtime.stop)
    host = config.worker_listen_host
    sockets, port = _listen(config, state, stack)
    try:
        await runtime.begin(list(sockets))
    except StoppedError as why:
        log.info("%s %s pid=%d", why, config.worker_name, os.getpid())
        return 0
    settle()
    acceptors = [accept_on(sock, runtime.server) for sock in sockets]
    url = url_of(host, port, normal_prefix(config.worker_url_path))
    published = rendezvous.publish(state, config.worker_name, f"{url}/{secret}")
    stack.callback(published.remove)
    stack.callback(remembered.keep(config).unlink, missing_ok=True)
    _compat.set_process_title(f"{config.app_name}/{config.worker_name} on {host}:{port}")
    log.info("started %s pid=%d port=%d state=%s", config.worker_name, os.getpid(), port, state)
    notifier.ready()
    if ready is not None:
        ready()
    await runtime.stop_wanted.wait()
    notifier.stopping()
    for acceptor in acceptors:
        acceptor.close()
    await runtime.end(config.worker_drain_timeout)
    log.info("stopped %s pid=%d", config.worker_name, os.getpid())
    ignore_signals()
    return 0


def _listen(
    config: Configuration, state: Path, stack: ExitStack
) -> tuple[list[socket.socket], int]:
    """Open what the settings name; return it with the TCP port, 0 for none."""
    sockets: list[socket.socket] = []
    port = 0
    if config.worker_use_tcp:
        tcp = listeners.bind_tcp(
            config.worker_listen_host, config.worker_listen_port, config.worker_listen_queue
        )
        port = tcp.getsockname()[1]
        sockets.append(tcp)
    if config.worker_use_unixdomain:
        path = state / f"{config.worker_name}.sock"
        sockets.append(listeners.bind_unix(path, config.worker_listen_queue, 0o600))
        stack.callback(path.unlink, missing_ok=True)
    return sockets, port


def accept_on(sock: socket.socket, server: Server) -> Acceptor:
    """Serve whatever connects to a listening socket."""

    def local(fds: list[int]) -> None:
        for fd in fds:
            new = stream_of(fd, socket.AF_UNIX)
            pid, uid, _gid = peer(new)
            server.accept(new, Origin(tcp=False, caller=Caller(uid=uid, pid=pid)))

    def remote(fds: list[int]) -> None:
        for fd in fds:
            server.accept(stream_of(fd), Origin())

    accept = local if sock.family == socket.AF_UNIX else remote
    return Acceptor(asyncio.get_running_loop(), sock, accept, _trouble)


def _trouble(error: OSError) -> None:
    log.warning("cannot accept connections for a moment: %s", error)
