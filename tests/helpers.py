"""What tests of real processes need: waiting for facts, and seeing what was left behind."""

from __future__ import annotations

import os
import resource
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
MARKER = "KETTLINGAR_TEST"  # environment variable by which a test's processes are known


def wait_for(fact: Callable[[], T], within: float = 5.0, what: str = "") -> T:
    """Return `fact()` as soon as it is true; fail the test after `within` seconds."""
    deadline = time.monotonic() + within
    pause = 0.002
    while not (value := fact()):
        if time.monotonic() > deadline:
            name = what or getattr(fact, "__name__", "the fact")
            raise AssertionError(f"{name} did not become true within {within} s (last: {value!r})")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return value


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


def http_get(url: str, headers: dict[str, str] | None = None, timeout: float = 10.0) -> Answer:
    """GET `url` on a connection of its own; an error status is an answer too."""
    request = urllib.request.Request(url, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.read(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(), dict(error.headers))


def pick_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses, below those the kernel gives to clients."""
    for _ in range(200):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port between 20000 and 32000")


def alive(pid: int) -> bool:
    """Does the process run? One that ended and waits for its parent does not."""
    return _state(pid) not in ("", "Z", "X")


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def children(pid: int | str = "self", *, ended: bool = False) -> list[int]:
    """The living children of a process, not their children; `ended`: and those not waited for."""
    found: list[int] = []
    with suppress(OSError):  # it has just ended itself
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):  # that thread has
                found += [int(child) for child in task.read_text().split()]
    return [child for child in found if ended or alive(child)]


def descendants(pid: int) -> list[int]:
    """The living children of a process, theirs, and so on."""
    found: list[int] = []
    todo = [pid]
    while todo:
        new = children(todo.pop())
        found += new
        todo += new
    return found


def ended_children() -> tuple[float, ...]:
    """What the children that were waited for have used in all: another value after each."""
    return tuple(resource.getrusage(resource.RUSAGE_CHILDREN))


def descriptors(pid: int | str = "self") -> dict[int, str]:
    """What a process has open: number -> what it is."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(link.name)] = os.readlink(link)
        except OSError:
            continue  # the descriptor of this very listing
    return found


def processes_of(marker: str, folders: Iterable[Path]) -> list[int]:
    """Living processes with `marker` in their environment, or at home in one of `folders`."""
    homes = [str(folder.resolve()) for folder in folders]
    return [
        pid
        for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
        if pid != os.getpid() and alive(pid) and _belongs(pid, marker.encode(), homes)
    ]


def _belongs(pid: int, marker: bytes, homes: list[str]) -> bool:
    try:
        cwd = os.readlink(f"/proc/{pid}/cwd")
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # somebody else's, or just ended
    if marker in environment:
        return True
    return any(cwd == home or cwd.startswith(f"{home}/") for home in homes)


def command_of(pid: int) -> str:
    """The command line of a process, for messages."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "(ended)"
