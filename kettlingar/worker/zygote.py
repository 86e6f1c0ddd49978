"""A zygote: a process that has imported what workers need, and forks them on request.

It runs in a service's interpreter, with that service's rights, and knows
nothing of the service but what to preload. It owns no event loop, no thread
and no socket but its channel; should a preloaded module have made one, it
refuses to fork, for a worker would inherit half of it.

    zygote ──fork──▶ first ──fork──▶ worker: session, limits, environment, ... then `run`
       │               └ says the worker's pid, and ends: the worker is the supervisor's child
       └ reaps the first, and only then says "forked"
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import socket
import stat
import sys
import sysconfig
import threading
import traceback

import msgspec
from msgspec.structs import replace

from kettlingar import _compat
from kettlingar._version import __version__
from kettlingar.api.describe import method_record
from kettlingar.config.schema import read_schema
from kettlingar.kitten import RPCKitten
from kettlingar.requests.failures import in_one_line
from kettlingar.transport import messages
from kettlingar.transport.channel import MAX_PACKET, decoder_of
from kettlingar.transport.fdpass import DescriptorsLostError, close_all, recv_fds
from kettlingar.transport.forking import (
    PROTOCOL,
    Cold,
    Fork,
    Forked,
    Message,
    Preload,
    Refused,
    ToZygote,
    Warm,
)

from .becoming import Given, become, settle
from .cloning import fork_into
from .supervised import run

# What a worker would import first, beside what stands above.
OPTIONAL = ("uvloop", "setproctitle")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ToZygote).decode

Stamp = tuple[int, int, int]  # of a file: modified (ns), size, inode


class ForkError(Exception):
    """There is no new process; `errno` says why."""

    def __init__(self, errno: int) -> None:
        super().__init__(os.strerror(errno))
        self.errno = errno


def main() -> int:
    """Be a zygote until its supervisor has gone, or else a worker that it forked."""
    number = os.environ.pop("KETTLINGARD_CHANNEL", "")
    if not number.isdigit():
        sys.stderr.write("cannot be a zygote: there is no supervisor here\n")
        return 2
    sock = socket.socket(fileno=int(number))
    sock.setblocking(True)
    os.set_inheritable(sock.fileno(), False)
    files: dict[str, Stamp] = {}  # stays: a worker that freed it would write to all of its pages
    if not _serve(sock, files):
        return 0
    # From here on this is a worker, and nothing of the zygote is on the stack:
    # it ends as every Python program does, by returning.
    return run()


def _serve(sock: socket.socket, files: dict[str, Stamp]) -> bool:
    """Fork what is asked for. True: this is a worker; False: it is over.

    `files` are those that were imported, as they were then.
    """
    try:
        while (said := _receive(sock)) is not None:
            order, fds = said
            if isinstance(order, Preload):
                close_all(fds)
                files.update(_warm(order))
                _send(sock, Warm(PROTOCOL, __version__, len(files)))
                continue
            if _answered(sock, order, fds, files):
                sock.close()
                return True
    except BrokenPipeError:  # the supervisor went while we spoke
        pass
    except Exception as why:  # noqa: BLE001  the supervisor must hear of it, whatever a module did
        traceback.print_exc()
        _send(sock, Cold(in_one_line(why)))
    sock.close()
    return False


def _answered(sock: socket.socket, order: Fork, fds: list[int], files: dict[str, Stamp]) -> bool:
    """Fork or refuse, and say so; True in the worker."""
    answer: Message
    try:
        refusal = _refusal(order.number, sock.fileno(), files, fds)
        if refusal is None:
            given = Given(*fds)
            pid, placed = fork_twice(given.cgroup)
            if pid == 0:
                become(order, _without_group(given) if placed else given)
                return True
            answer = Forked(order.number, pid)
        else:
            answer = refusal
    except ForkError as why:
        answer = Refused(order.number, "busy", str(why))
    close_all(fds)
    _send(sock, answer)
    return False


def _without_group(given: Given) -> Given:
    """It is in its group already."""
    os.close(given.cgroup)
    return replace(given, cgroup=-1)


def _receive(sock: socket.socket) -> tuple[Preload | Fork, list[int]] | None:
    """The next order, and its descriptors; None when the supervisor has gone."""
    try:
        data, fds = recv_fds(sock, MAX_PACKET)
    except (ConnectionResetError, DescriptorsLostError):
        return None
    if not data:
        return None
    return _decode(data), fds


def _send(sock: socket.socket, message: Message) -> None:
    sock.sendall(_encode(message))


# --- what is imported once --------------------------------------------------


def _warm(order: Preload) -> dict[str, Stamp]:
    """Import everything; return the files that it came from, as they are now."""
    gc.disable()  # what a collection frees now would leave holes in pages that are to be shared
    sys.path[0:0] = order.python_path
    for name in order.modules:
        importlib.import_module(name)
    for name in OPTIONAL:
        _compat.import_if_there(name)
    _compat.set_process_title(" ".join(["kettlingar: zygote", *order.modules]))
    files = _files()
    settle()
    _read_once()
    gc.collect()
    gc.freeze()
    return files


def _read_once() -> None:
    """What every worker needs, and would read by itself."""
    decoder_of(messages.ToWorker)
    read_schema(RPCKitten.Configuration)
    for method in RPCKitten.methods:
        method_record(method)


def _files() -> dict[str, Stamp]:
    """Those of all modules but Python's own: an upgrade or an edit changes them."""
    own = (sysconfig.get_path("stdlib") + os.sep, sysconfig.get_path("platstdlib") + os.sep)
    found = {}
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if name and (not name.startswith(own) or "-packages" in name):
            found[name] = _stamp(name)
    return found


def _stamp(name: str) -> Stamp:
    try:
        now = os.stat(name)
    except OSError:
        return (0, 0, 0)
    return (now.st_mtime_ns, now.st_size, now.st_ino)


# --- may it fork? -----------------------------------------------------------


def _refusal(
    number: int, channel: int, files: dict[str, Stamp], given: list[int]
) -> Refused | None:
    """Why there must be no fork now."""
    for name, stamp in files.items():
        if _stamp(name) != stamp:
            return Refused(number, "changed", name)
    unsafe = _threads() or _foreign({channel, *given})
    return Refused(number, "unsafe", unsafe) if unsafe else None


def _threads() -> str:
    """Those that Python knows, and those that only the kernel does."""
    count = len(os.listdir("/proc/self/task"))
    if count == 1:
        return ""
    names = [thread.name for thread in threading.enumerate()[1:]] or ["started by a library"]
    return f"it has {count} threads ({', '.join(names)})"


def _foreign(ours: set[int]) -> str:
    """A descriptor that two processes must not share: no file, but a socket, pipe, epoll."""
    for text in os.listdir("/proc/self/fd"):
        fd = int(text)
        if fd <= 2 or fd in ours:
            continue
        try:
            mode = os.fstat(fd).st_mode
        except OSError:  # the listing's own
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISCHR(mode)):
            return f"a preloaded module opened {os.readlink(f'/proc/self/fd/{fd}')}"
    return ""


# --- the fork ---------------------------------------------------------------


def fork_twice(procs: int = -1) -> tuple[int, bool]:
    """Fork a grandchild; return its pid, or 0 in it. Raise ForkError.

    Where it can be it is born in the group whose cgroup.procs is `procs`: True, then.
    When this returns, the process between has gone: the grandchild's parent is
    the nearest subreaper, which therefore can read how it ends.
    """
    told, tell = os.pipe2(os.O_CLOEXEC)
    first = fork_into(procs) if procs >= 0 else -1
    placed = first >= 0
    try:
        first = first if placed else os.fork()
    except OSError as why:
        close_all([told, tell])
        raise ForkError(why.errno or errno.EAGAIN) from why
    if first == 0:
        _fork_again(tell)
        close_all([told, tell])
        return 0, placed
    os.close(tell)
    said = os.read(told, 32)
    os.close(told)
    os.waitpid(first, 0)
    pid = int(said or -errno.EAGAIN)  # nothing said: the one between was killed
    if pid < 0:
        raise ForkError(-pid)
    return pid, placed


def _fork_again(tell: int) -> None:
    """In the process between: fork the worker, say its pid, end. Returns in the worker alone."""
    pid = -1
    try:
        pid = os.fork()
        if pid:
            os.write(tell, b"%d" % pid)
    except OSError as why:
        os.write(tell, b"-%d" % (why.errno or errno.EAGAIN))
    finally:
        if pid != 0:
            os._exit(0)
