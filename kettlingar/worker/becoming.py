"""A process that was forked becomes as one that was executed: all that exec would have reset.

The child of a zygote goes through the same steps as kettlingard's own child
before exec, in the same order and with the same names, so that a definition
fails in the same words both ways.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from msgspec import Struct

from kettlingar.transport.forking import Fork

from .forked import drop_privileges, enter_directory, set_limits, set_priority, tell

FAILED = 127  # exit code, as of a program that cannot be executed

# Set for a zygote by its supervisor, as the last of its variables and as long as a run's.
RUN = b"KETTLINGARD_RUN="
RUN_LENGTH = 16


class Given(Struct, frozen=True):
    """The descriptors that came with the order; the worker owns them."""

    channel: int
    log: int
    report: int
    cgroup: int = -1  # cgroup.procs of the group that it is to be in


def find_run() -> int:
    """Where in memory /proc/PID/environ shows the run's mark; 0 where it does not.

    The kernel goes on showing the strings that a program was executed with. By
    this mark a supervisor finds what a worker left behind, so that a fork must
    show its own there, whatever `os.environ` says.
    """
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # env_start, env_end: proc(5)
    at = ctypes.string_at(start, end - start).rfind(RUN + b"-" * RUN_LENGTH) if start else -1
    return start + at + len(RUN) if at >= 0 else 0


_run_at = find_run()
_inherited: dict[str, str] = {}  # the environment, as each fork finds it


def settle() -> None:
    """Do once, before any fork, what each of them would do: preloaded modules are there by now."""
    _inherited.update(os.environ)
    _settle_signals()


def _settle_signals() -> None:
    """As Python has them at its start, whatever a preloaded module did; but SIGINT ends it at once.

    Python's own handler for that one would only be replaced twice, by each worker, at some length.
    """
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def become(order: Fork, given: Given) -> None:
    """Be the process of `order`; one that cannot be reports why, and ends."""
    step = "fork"
    try:
        for name, prepare in _STEPS:
            step = name
            prepare(order, given)
    except OSError as why:
        _fail(given, step, why.errno or 0, str(why.filename or ""))
    except BaseException as why:  # noqa: BLE001  this copy of the zygote must not go on as one
        _fail(given, step, errno.EINVAL, f"{type(why).__name__}: {why}")
    os.close(given.report)


def _fail(given: Given, step: str, number: int, subject: str) -> NoReturn:
    try:
        tell(given.report, step, number, subject)
    finally:
        os._exit(FAILED)


def _session(_order: Fork, _given: Given) -> None:
    os.setsid()


def _cgroup(_order: Fork, given: Given) -> None:
    if given.cgroup >= 0:
        os.write(given.cgroup, b"0")  # the writer
        os.close(given.cgroup)


def _descriptors(_order: Fork, given: Given) -> None:
    os.dup2(given.log, 1)
    os.dup2(given.log, 2)
    os.close(given.log)


def _environment(order: Fork, given: Given) -> None:
    for name in _inherited.keys() - order.env.keys():
        del os.environ[name]  # by unsetenv: C code sees the same
    for name, value in order.env.items():
        if _inherited.get(name) != value:
            os.environ[name] = value
    os.environ["KETTLINGARD_CHANNEL"] = str(given.channel)
    if order.env.get("TZ") != _inherited.get("TZ"):
        time.tzset()
    mark = order.env.get("KETTLINGARD_RUN", "").encode()
    if _run_at and len(mark) == RUN_LENGTH:
        ctypes.memmove(_run_at, mark, RUN_LENGTH)


def _interpreter(_order: Fork, _given: Given) -> None:
    sys.argv[1:] = ["run"]
    gc.enable()


def _of_order(step: Callable[[Fork], None]) -> Callable[[Fork, Given], None]:
    return lambda order, _given: step(order)


_STEPS: tuple[tuple[str, Callable[[Fork, Given], None]], ...] = (
    ("session", _session),
    ("cgroup", _cgroup),
    ("descriptors", _descriptors),
    ("limits", _of_order(set_limits)),
    ("priority", _of_order(set_priority)),
    ("directory", _of_order(enter_directory)),
    ("privileges", _of_order(drop_privileges)),
    ("environment", _environment),
    ("interpreter", _interpreter),
)
