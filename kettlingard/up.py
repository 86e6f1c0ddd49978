"""What joins the daemon to the world, and takes it apart again: folders, lock, log, loop, socket."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from kettlingar import _compat
from kettlingar._version import __version__
from kettlingar.process import hooks_of, settings_of
from kettlingar.server import Server
from kettlingar.serving import Origin
from kettlingar.transport.acceptor import Acceptor
from kettlingar.transport.notify import Notifier
from kettlingard.core.layout import Layout
from kettlingard.host import prctl
from kettlingard.host.files import Lock, private_dir
from kettlingard.host.limits import OpenFiles, raise_open_files
from kettlingard.host.listeners import listen
from kettlingard.host.meeting import clear
from kettlingard.host.signals import Signals, Wish

from .adopt import Adoption
from .catalog import Catalog
from .control import Control
from .daemon import Daemon
from .keeping import Keeper, left_behind
from .logkeeping import LogKeeper
from .ownlog import OwnLog
from .reach import caller_at

log = logging.getLogger(__name__)

LAST_ANSWERS = 1.0  # seconds for those who still ask when all services have ended


def supervise(layout: Layout, folders: Sequence[Path], *, adopt: bool = True) -> int:
    """Supervise the services of these folders until told to stop; return the exit code.

    Workers whose supervisor was killed go on under this one; without `adopt` they are ended first.

    Raise AlreadyRunningError, PathError, ListenError or OSError if that cannot begin.
    """
    ctl = f"{_program()} ctl {layout.ctl} status"
    with ExitStack() as stack:
        own_log = _prepare(layout, stack)
        files = raise_open_files()
        up = _up(layout, Catalog(folders), files, own_log, " ".join(ctl.split()), adopt=adopt)
        return _compat.run(up, "auto")


def _program() -> str:
    """How `kettlingar` is typed here: where it is on the PATH, or beside us."""
    beside = Path(sys.argv[0]).with_name("kettlingar")
    if shutil.which("kettlingar") or not beside.exists():
        return "kettlingar"
    return os.path.relpath(beside)


def _prepare(layout: Layout, stack: ExitStack) -> OwnLog:
    """Folders, lock and log; `stack` gives back what must not stay."""
    run = private_dir(Path(layout.run), 0o755)  # others may have rights by [access]
    private_dir(Path(layout.meetings))
    private_dir(Path(layout.state))
    private_dir(Path(layout.log))
    lock = Lock(Path(layout.lock))
    stack.callback(lock.release)
    stack.callback(Path(layout.socket).unlink, missing_ok=True)  # ours, while we have the lock
    own_log = OwnLog(Path(layout.log) / "kettlingard.log")
    stack.callback(own_log.close)
    prctl.become_subreaper()
    os.chdir(run)  # never anybody's folder that they want to remove
    return own_log


async def _up(
    layout: Layout, catalog: Catalog, files: OpenFiles, own_log: OwnLog, ctl: str, *, adopt: bool
) -> int:
    loop = asyncio.get_running_loop()
    daemon = Daemon(loop, layout, catalog, files)
    notifier = Notifier.from_environment(os.environ)
    logs = LogKeeper(daemon, own_log)
    signals = _signals(daemon, logs)
    control = Control(daemon)
    server = Server(control, settings_of(control, ""), hooks_of(control))
    keeper = Keeper(daemon, Path(layout.snapshot))
    adoption = Adoption(daemon)
    settled = await _adopted(daemon, adoption, adopt=adopt)
    acceptor = _listen(loop, layout, server)
    log.info("started version=%s pid=%d socket=%s", __version__, os.getpid(), layout.socket)
    daemon.boot(settled)
    logs.reopen()  # workers of before may write to one that was being rotated
    keeper.begin()
    _welcome(daemon, catalog, ctl)
    notifier.ready()
    try:
        await daemon.ended.wait()
        notifier.stopping()
    finally:
        adoption.close()
        keeper.end()
        clear(Path(layout.meetings))
        acceptor.close()
        await server.drain(LAST_ANSWERS)
        daemon.close()
        await logs.close()
        signals.close()
    log.info("stopped pid=%d", os.getpid())
    return 0


async def _adopted(daemon: Daemon, adoption: Adoption, *, adopt: bool) -> set[str]:
    """The services that go on as another supervisor has left them."""
    left = left_behind(Path(daemon.layout.snapshot))
    clear(Path(daemon.layout.meetings))
    if left is None:
        return set()
    daemon.state = "adopting"
    settled = await adoption.run(left)
    if adopt or not daemon.services:
        return settled
    daemon.drain("--no-adopt")
    await daemon.ended.wait()
    daemon.forget()
    return set()


def _listen(loop: asyncio.AbstractEventLoop, layout: Layout, server: Server) -> Acceptor:
    """The control socket. Everybody may connect: what they may do is in [access]."""

    def accepted(sock: socket.socket, _address: object) -> None:
        server.accept(sock, Origin(trusted=True, caller=caller_at(sock), tcp=False))

    def trouble(error: OSError) -> None:
        log.warning("control socket paused reason=%s", error.strerror)

    return Acceptor(loop, listen(layout.socket, mode=0o666), accepted, trouble)


def _signals(daemon: Daemon, logs: LogKeeper) -> Signals:
    signals = Signals(daemon.loop)
    signals.on_wish(lambda wish: _wished(daemon, logs, wish))
    signals.on_child(daemon.reaper.sweep)
    return signals


def _wished(daemon: Daemon, logs: LogKeeper, wish: Wish) -> None:
    if wish is Wish.DRAIN:
        daemon.drain("signal")
    elif wish is Wish.REOPEN:
        logs.reopen()
    else:
        log.warning("%s is not supported by this version yet", wish.value)


def _welcome(daemon: Daemon, catalog: Catalog, ctl: str) -> None:
    """What a person in front of it wants to know: where things are, and what to type."""
    folders = ", ".join(map(str, catalog.folders))
    lines = [f"kettlingard {__version__}, pid {os.getpid()}: the services of {folders}"]
    for name, service in sorted(daemon.services.items()):
        if service.problems:
            lines += [f"  {name:12} ! {problem}" for problem in service.problems]
            continue
        spec = service.spec
        urls = [_url(one.stream) for one in spec.listen] if spec is not None else []
        lines.append(f"  {name:12} {' '.join(urls) or '-'}")
    lines.append(f"try: {ctl}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _url(stream: str) -> str:
    if stream.startswith("/"):
        return stream
    host, _, port = stream.rpartition(":")
    everywhere = {"0.0.0.0", "[::]", "*", ""}  # noqa: S104  shown, not bound
    return f"http://{'localhost' if host in everywhere else host}:{port}/"
