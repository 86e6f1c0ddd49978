"""Which zygote may fork a process, and when none may: decided from values alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

# Variables that an interpreter, its C library or OpenSSL reads once, at their start.
READ_ONCE = ("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_TUNABLES", "OPENSSL_")
LANGUAGE = "LANG"
MAX_ENVIRONMENT = 48 * 1024  # bytes; more does not fit a packet
NO_LIMIT = -1  # as resource.RLIM_INFINITY


class Kind(Struct, frozen=True):
    """What a warm process is made from. Those who want the same share one."""

    python: str
    ids: tuple[int, int, tuple[int, ...]] | None = None  # uid, gid, groups; None: the daemon's
    preload: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()


def kind_of(
    python: str,
    ids: tuple[int, int, tuple[int, ...]] | None,
    preload: Sequence[str],
    python_path: Sequence[str],
) -> Kind:
    """The zygote for these keys.

    Where nothing is preloaded `python_path` makes no difference: nothing is
    imported from it before the fork, and services of many folders share one.
    """
    return Kind(python, ids, tuple(preload), tuple(python_path) if preload else ())


class Wish(Struct, frozen=True):
    """What of a process to be matters for the choice."""

    env: Mapping[str, str]
    own_ids: bool = False  # it is to have other rights than the daemon
    nice: int = 0
    oom_score_adjust: int = 0
    rlimits: Sequence[tuple[int, int, int]] = ()


def why_exec(wish: Wish, zygote_env: Mapping[str, str], hard: Mapping[int, int]) -> str:
    """Why a fresh interpreter must be executed; "" if a fork does as well.

    `hard` are the hard limits that a zygote has.
    """
    for name in sorted({*wish.env, *zygote_env}):
        if _is_read_once(name) and wish.env.get(name) != zygote_env.get(name):
            return f"the environment sets {name}"
    size = sum(len(name) + len(value.encode(errors="replace")) for name, value in wish.env.items())
    if size > MAX_ENVIRONMENT:
        return f"the environment has {size} bytes"
    return _needs_rights(wish, hard) if wish.own_ids else ""


def _is_read_once(name: str) -> bool:
    return name == LANGUAGE or name.startswith(READ_ONCE)


def _needs_rights(wish: Wish, hard: Mapping[int, int]) -> str:
    """A zygote of another user has lost the right to do what exec does before the ids."""
    if wish.nice < 0:
        return "a higher priority needs root's rights"
    if wish.oom_score_adjust < 0:
        return "oom_score_adjust below zero needs root's rights"
    for which, _soft, wanted in wish.rlimits:
        if _above(wanted, hard.get(which, NO_LIMIT)):
            return "a higher limit needs root's rights"
    return ""


def _above(wanted: int, hard: int) -> bool:
    return hard != NO_LIMIT and (wanted == NO_LIMIT or wanted > hard)
