"""A child that shares this process's table of descriptors: clone(2) with CLONE_FILES.

What one of both opens or closes, the other has opened or closed; so when this process
is killed, nothing of what it had open is closed until the child has ended too.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal

CLONE_FILES = 0x400
_CLONE = {"x86_64": 56, "aarch64": 220, "riscv64": 220}  # its number differs by machine

# PyDLL holds the interpreter's lock over the call: the child begins with it, and with nobody else.
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
# What os.fork does around the call: without the first, the second unlocks what nobody has
# locked, which is fatal from Python 3.13 on.
_before_fork = ctypes.pythonapi.PyOS_BeforeFork
_after_in_child = ctypes.pythonapi.PyOS_AfterFork_Child
_after_in_parent = ctypes.pythonapi.PyOS_AfterFork_Parent


def fork_sharing() -> int:
    """Like os.fork, with one table of descriptors for both. Raises OSError.

    No signal but SIGKILL reaches the child, which must do little and end by os._exit: it is
    a copy in the midst of our event loop.
    """
    number = _CLONE.get(platform.machine())
    if number is None:
        raise NotImplementedError(f"no number of clone(2) is known for {platform.machine()}")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    flags = ctypes.c_ulong(CLONE_FILES | signal.SIGCHLD)
    _before_fork()
    pid: int = _syscall(ctypes.c_long(number), flags, None, None, None, None)
    if pid == 0:
        _after_in_child()
        return 0
    why = ctypes.get_errno()
    _after_in_parent()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if pid < 0:
        raise OSError(why, os.strerror(why))
    return pid
