"""The custodian: what a killed supervisor had accepted and not passed on is not lost with it.

It is a child that shares the supervisor's descriptors (host/sharing.py), and sleeps until
that has ended. Then it closes all that others wait to see closed (channels, the lock), but
for the connections and listeners that nobody else has, and offers those to the next
supervisor at a socket in a private folder. When it has none, or nobody came in time, it ends.

    supervisor ──killed──▶ sort ──▶ listen at PID.sock ──▶ close the rest ──▶ give ──▶ end
                                    (before the lock is free: who gets the lock finds it)
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec

from kettlingar import _compat
from kettlingar.transport.fdpass import recv_fds, rights
from kettlingar.transport.peercred import peer
from kettlingar.transport.unixpath import unix_address
from kettlingard.core.marks import Mark, Whose

from .marks import Marks
from .refusal import LINGER, unavailable
from .sharing import fork_sharing

PATIENCE = 30.0  # seconds for the next supervisor to come
ANSWER = 2.0  # seconds for it to take what it is given
PARCEL = 200  # connections in a message
ROOT = 0
_SO_COOKIE = 57
_TAKEN = b"taken"
_KIND = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Mark]).decode


@dataclass(frozen=True, slots=True)
class Kept:
    """A connection or a listener, and what its supervisor knew of it. The receiver owns it."""

    mark: Mark
    sock: socket.socket


# --- the custodian's side ----------------------------------------------------


def start(supervisor: int, marks: Marks, folder: Path) -> int:
    """Start one of this process, whose own pidfd is `supervisor`; return its pid. Raises OSError.

    It is to be killed when this process ends in order or becomes another program: what it
    shares would otherwise stay open.
    """
    pid = fork_sharing()
    if pid == 0:
        _keep(supervisor, marks, folder)
    return pid


def _keep(supervisor: int, marks: Marks, folder: Path) -> NoReturn:
    try:
        _compat.set_process_title("kettlingard: custodian")
        ended = select.poll()
        ended.register(supervisor, select.POLLIN)
        while not ended.poll():
            pass
        kept = dict(_nobodys(marks))
        if kept:
            _offer(kept, folder / f"{os.getpid()}.sock")
    finally:
        os._exit(0)


def _nobodys(marks: Marks) -> Iterator[tuple[int, Mark]]:
    """What nobody else has, as far as that is known here."""
    seen: set[int] = set()
    found = [(fd, marks.get(fd)) for fd in map(int, os.listdir("/proc/self/fd"))]
    # One that was just being sent is here twice: with a mark, and as the copy that is sent.
    for fd, mark in sorted(found, key=lambda one: -one[1].whose):
        if mark.whose is not Whose.THEIRS:
            cookie = _cookie(fd, mark.whose)
            if cookie and cookie not in seen:
                seen.add(cookie)
                yield fd, mark


def _cookie(fd: int, whose: Whose) -> int:
    """The number that the kernel has for this socket; 0 if it is not what was said."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        return 0
    try:
        said = [socket.AF_UNIX] if whose is not Whose.NOBODY_SAID else []
        if sock.family not in {socket.AF_INET, socket.AF_INET6, *said}:
            return 0
        listens = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        if sock.type != socket.SOCK_STREAM or listens is not (whose is Whose.LISTENER):
            return 0
        return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), "little")
    except OSError:
        return 0
    finally:
        sock.detach()


def _offer(kept: dict[int, Mark], path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX, _KIND)
    begun = path.with_suffix(".new")
    with unix_address(begun) as address:
        sock.bind(address)
    begun.chmod(0o600)
    sock.listen()
    begun.rename(path)  # who finds it is answered: a socket that refuses is taken for a dead one's
    try:
        _close_all_but({sock.fileno(), *kept})
        deadline = time.monotonic() + PATIENCE
        while kept and (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            with suppress(OSError), sock.accept()[0] as visitor:
                _give(visitor, kept)
        _dismiss(fd for fd, mark in kept.items() if mark.whose is Whose.OURS)
    finally:
        path.unlink(missing_ok=True)


def _close_all_but(keep: set[int]) -> None:
    last = 0
    for fd in sorted(keep):
        os.closerange(last, fd)
        last = fd + 1
    os.closerange(last, max(map(int, os.listdir("/proc/self/fd"))) + 1)


def _dismiss(fds: Iterable[int]) -> None:
    """Nobody has come: answer those for whom nobody else can."""
    answer, sockets = unavailable("kettlingard is not running"), []
    for fd in fds:
        sock = socket.socket(fileno=fd)
        sockets.append(sock)
        with suppress(OSError):
            sock.setblocking(False)
            sock.send(answer)
            sock.shutdown(socket.SHUT_WR)
    if sockets:
        time.sleep(LINGER)  # a reset would overtake the answer


def _give(visitor: socket.socket, kept: dict[int, Mark]) -> None:
    """All of them; what was taken is no longer ours."""
    if not _is_one_of_us(visitor):
        return
    visitor.settimeout(ANSWER)
    while kept:
        some = dict(list(kept.items())[:PARCEL])
        visitor.sendmsg([_encode(list(some.values()))], rights(list(some)))
        if visitor.recv(len(_TAKEN)) != _TAKEN:
            return
        for fd in some:
            os.close(fd)
            del kept[fd]


# --- the next supervisor's side ----------------------------------------------


def taken(folder: Path) -> list[Kept]:
    """Take what those of dead supervisors have. Files of some that have ended are removed."""
    found: list[Kept] = []
    for path in sorted(folder.glob("*.sock")):
        with socket.socket(socket.AF_UNIX, _KIND) as sock:
            sock.settimeout(ANSWER)
            try:
                with unix_address(path) as address:
                    sock.connect(address)
                if _is_one_of_us(sock):
                    _take_from(sock, found)
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue  # it has ended meanwhile, or never answers
    return list(_each_once(found))


def _each_once(found: list[Kept]) -> Iterator[Kept]:
    """A supervisor that was killed while it changed custodians had two, who have the same ones."""
    seen: set[int] = set()
    for one in sorted(found, key=lambda one: -one.mark.whose):
        cookie = _cookie(one.sock.fileno(), one.mark.whose)
        if cookie and cookie in seen:
            one.sock.close()
        else:
            seen.add(cookie)
            yield one


def _is_one_of_us(sock: socket.socket) -> bool:
    return peer(sock).uid in {ROOT, os.geteuid()}


def _take_from(sock: socket.socket, found: list[Kept]) -> None:
    while True:
        data, fds = recv_fds(sock, 64 * 1024)
        if not data:
            return
        for mark, fd in zip(_decode(data), fds, strict=True):
            one = socket.socket(fileno=fd)
            one.setblocking(False)
            found.append(Kept(mark, one))
        sock.send(_TAKEN)
