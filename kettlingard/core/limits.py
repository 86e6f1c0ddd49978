"""[resources] that only a cgroup can hold a run to: which files of its folder say so (cgroup-v2.rst)."""

from __future__ import annotations

from collections.abc import Iterable

from .amounts import quota_of
from .spec import ResourceKeys

PERIOD = 100_000  # microseconds; the kernel's own choice

# key -> the controller that must be there, and its file
FILES = {
    "memory_high": ("memory", "memory.high"),
    "memory_max": ("memory", "memory.max"),
    "cpu_quota": ("cpu", "cpu.max"),
    "tasks_max": ("pids", "pids.max"),
}


def given(keys: ResourceKeys) -> list[str]:
    """The keys of this kind that a definition sets."""
    return [name for name in FILES if getattr(keys, name) not in (None, "")]


def controllers(names: Iterable[str]) -> set[str]:
    """What these keys need."""
    return {FILES[name][0] for name in names}


def contents(keys: ResourceKeys, names: Iterable[str]) -> dict[str, str]:
    """File -> what is to be in it, for these keys; one that is not set any more is no limit."""
    return {FILES[name][1]: _text(name, getattr(keys, name)) for name in names}


def _text(name: str, value: object) -> str:
    if value in (None, ""):
        return "max"
    if name == "cpu_quota":
        return f"{round(quota_of(str(value)) * PERIOD)} {PERIOD}"
    return str(value)


def changed(old: ResourceKeys, new: ResourceKeys) -> list[str]:
    """The keys of this kind that have another value now."""
    return [name for name in FILES if getattr(old, name) != getattr(new, name)]
