"""What joins the daemon to the world, and takes it apart again: folders, lock, log, loop, socket."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from kettlingar import _compat, prctl
from kettlingar._version import __version__
from kettlingard.core.daemonspec import DaemonSpec
from kettlingard.core.layout import Layout
from kettlingard.core.snapshot import Snapshot
from kettlingard.host import cgroup
from kettlingard.host.become import UPGRADE, Program, hear_again, own_program, taken
from kettlingard.host.files import Lock, private_dir
from kettlingard.host.handed import Handed
from kettlingard.host.limits import OpenFiles, raise_open_files
from kettlingard.host.listeners import Manner, listen
from kettlingard.host.possible import House
from kettlingard.host.signals import Signals, Wish

from .catalog import Catalog
from .continuity.adopt import Adoption
from .continuity.continuing import go_on
from .continuity.custodian import Custodian
from .continuity.keeping import Keeper, left_behind
from .continuity.leftovers import clear
from .continuity.upgrade import Upgrade, Upgraded, upgraded
from .control.api import Control
from .control.doors import Doors
from .daemon import Daemon
from .front import Front
from .logkeeping import LogKeeper
from .outside import Outside
from .ownlog import OwnLog
from .settings import Settings

log = logging.getLogger(__name__)

LAST_ANSWERS = 1.0  # seconds for those who still ask when all services have ended


def supervise(
    layout: Layout,
    folders: Sequence[Path],
    settings: DaemonSpec,
    *,
    adopt: bool = True,
    exit_on_failure: bool = False,
    front: Front,
) -> int:
    """Supervise the services of these folders until told to stop; return the exit code.

    Workers whose supervisor was killed go on under this one; without `adopt` they are ended first.

    Raise AlreadyRunningError, PathError, ListenError or OSError if that cannot begin.
    """
    ctl = f"{_program()} ctl {layout.ctl} status"
    program = own_program()
    data = taken(UPGRADE)
    before = upgraded(data) if data is not None else None
    with ExitStack() as stack:
        lock, own_log = _prepare(layout, stack, before, front)
        files = OpenFiles(*before.passage.files) if before is not None else raise_open_files()
        start = _Start(
            layout,
            catalog_of(layout, folders, settings),
            settings,
            files,
            " ".join(ctl.split()),
            adopt,
            exit_on_failure,
            Handed.take(os.environ),
            program,
            lock,
            own_log,
            before,
            front,
        )
        return _compat.run(_up(start), "auto")


def catalog_of(layout: Layout, folders: Sequence[Path], settings: DaemonSpec) -> Catalog:
    """The definitions of this supervisor."""
    users_needed = layout.mode == "system" and not settings.daemon.allow_root
    house = House(users_needed, cgroup.find(layout.run))
    return Catalog(folders, house, settings.defaults, settings.names)


class _Start(Struct, frozen=True):
    """What a supervisor begins with."""

    layout: Layout
    catalog: Catalog
    settings: DaemonSpec
    files: OpenFiles
    ctl: str
    adopt: bool
    exit_on_failure: bool
    handed: Handed
    program: Program
    lock: Lock
    own_log: OwnLog
    before: Upgraded | None  # we are the next version of a running one
    front: Front


def _program() -> str:
    """How `kettlingar` is typed here: where it is on the PATH, or beside us."""
    beside = Path(sys.argv[0]).with_name("kettlingar")
    if shutil.which("kettlingar") or not beside.exists():
        return "kettlingar"
    return os.path.relpath(beside)


def _prepare(
    layout: Layout, stack: ExitStack, before: Upgraded | None, front: Front
) -> tuple[Lock, OwnLog]:
    """Folders, lock and log; `stack` gives back what must not stay."""
    run = private_dir(Path(layout.run), 0o755)  # others may have rights by [access]
    private_dir(Path(layout.meetings))
    private_dir(Path(layout.custody))
    private_dir(Path(layout.state), 0o711 if os.geteuid() == 0 else 0o700)
    private_dir(Path(layout.log))
    if before is not None:
        before.own()
    lock = Lock(Path(layout.lock), before.passage.lock if before is not None else -1)
    stack.callback(lock.release)
    stack.callback(Path(layout.socket).unlink, missing_ok=True)  # ours, while we have the lock
    own_log = OwnLog(Path(layout.log) / "kettlingard.log", echo=front.echo)
    stack.callback(own_log.close)
    front.prepare(layout)
    prctl.become_subreaper()
    os.chdir(run)  # never anybody's folder that they want to remove
    return lock, own_log


async def _up(start: _Start) -> int:
    loop, layout, before = asyncio.get_running_loop(), start.layout, start.before
    daemon = Daemon(loop, layout, start.catalog, start.files, start.handed)
    outside = Outside(daemon, os.environ, exit_on_failure=start.exit_on_failure)
    keeper, adoption = Keeper(daemon, Path(layout.snapshot)), Adoption(daemon)
    custodian = Custodian(loop, daemon.reaper, daemon.marks, Path(layout.custody))
    upgrade = Upgrade(
        daemon,
        keeper,
        custodian,
        start.program,
        lock=start.lock,
        files=start.files,
        count=before.passage.upgrades if before is not None else 0,
    )
    logs = LogKeeper(daemon, start.own_log)
    settings = Settings(start.settings, daemon, start.catalog)
    signals = _hear(daemon, upgrade, logs, settings, outside, front=start.front)
    doors = Doors(loop, daemon, Control(daemon, upgrade, settings))
    custodian.begin(start.handed, before.passage.custodian if before is not None else -1)
    left = _left(keeper, start)
    found = await _before(daemon, adoption, start, left)
    acceptor = doors.open(_control_socket(start), start.settings.daemon.metrics_listen)
    upgrade.door = (doors.server, acceptor)
    _begin(daemon, start, found, logs, custodian)
    keeper.changed(list(daemon.services.values()))
    outside.begin()
    try:
        await daemon.ended.wait()
        outside.ending()
    finally:
        for close in (
            start.front.close,
            outside.close,
            adoption.close,
            keeper.end,
            custodian.close,
            doors.close,
        ):
            close()
        clear(daemon)
        await doors.drain(LAST_ANSWERS)
        daemon.close()
        await logs.close()
        signals.close()
    log.info("stopped pid=%d", os.getpid())
    return outside.exit_code


def _left(keeper: Keeper, start: _Start) -> Snapshot | None:
    """What was left to us, which from now on is what we leave."""
    left = start.before.snapshot if start.before is not None else left_behind(keeper.path)
    keeper.begin(left)
    return left


def _hear(
    daemon: Daemon,
    upgrade: Upgrade,
    logs: LogKeeper,
    settings: Settings,
    outside: Outside,
    *,
    front: Front,
) -> Signals:
    signals = Signals(daemon.loop)
    wishes: dict[Wish, Callable[[], object]] = {
        Wish.DRAIN: lambda: daemon.drain("signal"),
        Wish.UPGRADE: lambda: upgrade.soon("signal"),
        Wish.REOPEN: logs.reopen,
        Wish.RELOAD: lambda: outside.reload(settings.reload),
    }
    wishes |= {wish: lambda: daemon.drain("signal") for wish in front.ending}
    signals.on_wish(lambda wish: wishes[wish]())
    signals.on_child(daemon.reaper.sweep)
    hear_again()
    return signals


def _begin(
    daemon: Daemon,
    start: _Start,
    before: dict[str, bool],
    logs: LogKeeper,
    custodian: Custodian,
) -> None:
    word = "upgraded" if start.before is not None else "started"
    socket_path = daemon.layout.socket
    log.info("%s version=%s pid=%d socket=%s", word, __version__, os.getpid(), socket_path)
    daemon.boot(before)
    custodian.rescue(daemon.services.values(), daemon.router)
    clear(daemon)
    logs.reopen()  # workers of before may write to one that was being rotated
    daemon.reaper.sweep()  # who ended while nobody was listening
    start.front.begin(daemon, start.ctl, again=start.before is not None)


async def _before(
    daemon: Daemon, adoption: Adoption, start: _Start, left: Snapshot | None
) -> dict[str, bool]:
    """The services of our last version, or another supervisor: are they as they were to be?"""
    if start.before is None:
        return await _adopted(daemon, adoption, left, adopt=start.adopt)
    go_on(daemon, adoption, start.before)
    return dict.fromkeys([*start.before.snapshot.services, *start.catalog.read()[0]], True)


async def _adopted(
    daemon: Daemon, adoption: Adoption, left: Snapshot | None, *, adopt: bool
) -> dict[str, bool]:
    """The services of another supervisor: are they as they were to be?"""
    if left is None:
        return {}
    daemon.state = "adopting"
    found = await adoption.run(left)
    if adopt or not daemon.services:
        return found
    daemon.drain("--no-adopt")
    await daemon.ended.wait()
    adoption.takes_in = False  # who proves itself later is ended then
    daemon.forget()
    return {}


def _control_socket(start: _Start) -> socket.socket:
    if start.before is not None:
        return socket.socket(fileno=start.before.passage.control)
    path, mode = start.layout.socket, start.settings.daemon.control_mode
    return start.handed.copy("control", path) or listen(path, Manner(mode=mode))
