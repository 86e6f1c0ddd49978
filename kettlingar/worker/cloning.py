"""A fork into a control group: clone3(2) with CLONE_INTO_CGROUP (Linux 5.7).

To be moved there later, a process waits until each processor has been quiet once: some
milliseconds, in which it could have been ready.
"""

from __future__ import annotations

import ctypes
import os
import signal

CLONE_INTO_CGROUP = 0x2_0000_0000
_CLONE3 = 435  # its number, on every machine

_NAMES = (
    "flags pidfd child_tid parent_tid exit_signal stack stack_size tls set_tid set_tid_size cgroup"
)


class _Arguments(ctypes.Structure):
    """struct clone_args, as of Linux 5.7."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in _NAMES.split())


# PyDLL holds the interpreter's lock over the call: the child begins with it, and with nobody else.
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_before_fork = ctypes.pythonapi.PyOS_BeforeFork
_after_in_child = ctypes.pythonapi.PyOS_AfterFork_Child
_after_in_parent = ctypes.pythonapi.PyOS_AfterFork_Parent


def fork_into(procs: int) -> int:
    """Like os.fork, into the group whose cgroup.procs this descriptor is; -1 where that cannot be.

    The C library knows nothing of it. So the child is only to fork again, by os.fork, and to end.
    """
    try:
        group = os.open(os.path.dirname(os.readlink(f"/proc/self/fd/{procs}")), os.O_DIRECTORY)
    except OSError:
        return -1
    wanted = _Arguments(flags=CLONE_INTO_CGROUP, exit_signal=signal.SIGCHLD, cgroup=group)
    _before_fork()
    pid: int = _syscall(
        ctypes.c_long(_CLONE3), ctypes.byref(wanted), ctypes.c_size_t(ctypes.sizeof(wanted))
    )
    (_after_in_parent if pid else _after_in_child)()
    os.close(group)
    return pid
