"""Who a process is, and who belongs to it.

A pid alone is a name that is given again. (pid, start time) is not: nothing is
signalled or adopted here before the start time has been seen to be the same.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator

from msgspec import Struct

_ROUNDS = 10  # of killing what was forked while the last round killed its parents


class ProcId(Struct, frozen=True):
    """One process, for ever: its pid, and when it started (clock ticks since boot)."""

    pid: int
    start: int


class ProcStat(Struct, frozen=True):
    """What /proc/PID/stat says that matters here."""

    id: ProcId
    parent: int
    group: int
    session: int
    state: str  # one letter; Z = zombie, D = cannot be killed now


def read_stat(pid: int) -> ProcStat | None:
    """Look a process up. None if there is none."""
    text = _proc(pid, "stat")
    if not text:
        return None
    # The name is in parentheses and may hold anything, parentheses and newlines too.
    rest = text[text.rindex(b")") + 2 :].split()
    return ProcStat(
        id=ProcId(pid, int(rest[19])),
        parent=int(rest[1]),
        group=int(rest[2]),
        session=int(rest[3]),
        state=rest[0].decode(),
    )


def identify(pid: int) -> ProcId | None:
    """The process that has this pid now."""
    stat = read_stat(pid)
    return stat.id if stat else None


def alive(who: ProcId) -> bool:
    """Is it still there, and no zombie?"""
    stat = read_stat(who.pid)
    return stat is not None and stat.id == who and stat.state not in "ZX"


def send(who: ProcId, number: int) -> bool:
    """Send a signal to exactly this process. False if it has gone.

    Raises PermissionError if it is another user's.
    """
    try:
        pidfd = os.pidfd_open(who.pid)
    except OSError:
        return False
    try:
        if identify(who.pid) != who:
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    else:
        return True
    finally:
        os.close(pidfd)


def everybody() -> Iterator[ProcStat]:
    """All processes of this machine that can be seen."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read_stat(int(name))
            if stat:
                yield stat


def members(leader: ProcId, run: str = "") -> list[ProcId]:
    """The living processes that belong to `leader`, a session's leader; itself included.

    These are its session, its group, and the descendants of all of them; with
    `run`, also those that have KETTLINGARD_RUN=run in their environment. To be
    asked while `leader` lives or is a zombie, since its number then is nobody
    else's; nothing is found when the number has been given to another process.
    """
    seen = {stat.id.pid: stat for stat in everybody()}
    now = seen.get(leader.pid)
    if (now and now.id != leader) or leader.pid == os.getsid(0):
        return []
    ours = {pid for pid, stat in seen.items() if leader.pid in (pid, stat.session, stat.group)}
    if run:
        ours |= {pid for pid in seen if pid not in ours and _has_run(pid, run)}
    ours = _with_descendants(ours, seen) - {os.getpid()}
    return [seen[pid].id for pid in sorted(ours) if seen[pid].state not in "ZX"]


def _with_descendants(roots: set[int], seen: dict[int, ProcStat]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, stat in seen.items():
        children.setdefault(stat.parent, []).append(pid)
    found, todo = set(roots), list(roots)
    while todo:
        new = [pid for pid in children.get(todo.pop(), ()) if pid not in found]
        found.update(new)
        todo += new
    return found


def _has_run(pid: int, run: str) -> bool:
    environment = b"\0" + _proc(pid, "environ") + b"\0"
    return f"\0KETTLINGARD_RUN={run}\0".encode() in environment


def _proc(pid: int, name: str) -> bytes:
    """A file of /proc/PID, empty if the process has gone or is another user's.

    By bare system calls: all processes of a machine are read while a worker's end is handled.
    """
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        text = b""
        while more := os.read(fd, 64 * 1024):
            text += more
    except OSError:
        return b""
    finally:
        os.close(fd)
    return text


def kill_members(leader: ProcId, run: str = "", spare: Iterable[ProcId] = ()) -> list[ProcId]:
    """SIGKILL all members but `spare`, and those that they fork meanwhile; say who they were."""
    killed: dict[ProcId, None] = {}
    spared = set(spare)
    for _ in range(_ROUNDS):
        new = [who for who in members(leader, run) if who not in killed and who not in spared]
        if not new:
            break
        for who in new:
            killed[who] = None
            with contextlib.suppress(PermissionError):
                send(who, signal.SIGKILL)
    return list(killed)
