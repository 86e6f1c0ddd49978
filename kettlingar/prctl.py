"""The two prctl(2) switches that Python has no function for."""

from __future__ import annotations

import ctypes
import os

PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

# Looked up once, before any fork: the child between fork and exec only calls it.
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def _switch_on(option: int) -> None:
    if _prctl(option, 1, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def no_new_privileges() -> None:
    """From now on no exec of this process or its children gains rights (setuid, capabilities)."""
    _switch_on(PR_SET_NO_NEW_PRIVS)


def become_subreaper() -> None:
    """Orphans among our descendants become our children, so that their ends are seen."""
    _switch_on(PR_SET_CHILD_SUBREAPER)
