"""The life of a process that stands alone (`start`, `serve`, systemd): logging, the loop, exit."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kettlingar.config.paths import make_private_dir
from kettlingar.transport import listeners, rendezvous
from kettlingar.transport.acceptor import Acceptor, stream_of
from kettlingar.transport.listeners import ListenError
from kettlingar.transport.notify import Notifier
from kettlingar.transport.peercred import peer

from . import _compat, remembered
from .api.access import Caller
from .api.routing import normal_prefix
from .collecting import settle
from .errors import ConfigError
from .logs import begin_logging
from .requests.server import Server
from .requests.serving import Origin, url_of
from .runtime import Runtime, StoppedError, settings_of, watch_signals

if TYPE_CHECKING:
    from .config.schema import Configuration
    from .kitten import RPCKitten

log = logging.getLogger(__name__)

SECRET_BYTES = 18  # 144 random bits


def ignore_signals() -> None:
    """What would end the process is too late: another TERM must not keep it from tidying up."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


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
