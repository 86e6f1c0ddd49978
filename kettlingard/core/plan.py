"""What a changed definition means: (running, wanted) -> what to do, key by key.

Computed as a whole before anything is done. A service whose file has problems
has no wanted spec and gets no step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from .keys import Change, keys_of
from .listeners import ListenerSpec, RouteSpec
from .spec import TABLES, ServiceSpec
from .values import show


class Verdict(Enum):
    """What happens to one service."""

    KEEP = "keep"
    LIVE = "live"
    NEXT = "next start"
    RESTART = "restart"
    REBIND = "rebind"
    ADD = "add"
    REMOVE = "remove"


# A change of several keys is as strong as the strongest
_STRENGTH = [Verdict.KEEP, Verdict.LIVE, Verdict.NEXT, Verdict.RESTART, Verdict.REBIND]
_VERDICTS = {
    Change.LIVE: Verdict.LIVE,
    Change.NEXT: Verdict.NEXT,
    Change.ROLL: Verdict.RESTART,
    Change.REBIND: Verdict.REBIND,
}


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key with another value; None: it is not there."""

    key: str
    old: Any
    new: Any
    change: Change

    @property
    def values(self) -> str:
        """`10 -> 5`, `+ "new"`, `- "old"`."""
        if self.old is None:
            return f"+ {show(self.new)}"
        if self.new is None:
            return f"- {show(self.old)}"
        return f"{show(self.old)} -> {show(self.new)}"

    def __str__(self) -> str:
        return f"{self.key} {self.values} ({self.change.value})"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with one service, and why."""

    name: str
    verdict: Verdict
    changes: tuple[KeyChange, ...] = ()


def plan(running: Mapping[str, ServiceSpec], wanted: Mapping[str, ServiceSpec]) -> list[Step]:
    """One step for each service, in order of names."""
    return [
        _step(name, running.get(name), wanted.get(name)) for name in sorted({*running, *wanted})
    ]


def changes(old: ServiceSpec, new: ServiceSpec) -> list[KeyChange]:
    """All keys that differ."""
    found = [change for table in TABLES for change in _table(table, old, new)]
    for free in ("config", "environment", "credentials"):
        found += _mapping(free, getattr(old, free), getattr(new, free), Change.ROLL)
    return [*found, *_listeners(old.listen, new.listen), *_routes(old.route, new.route)]


def verdict(found: list[KeyChange]) -> Verdict:
    """The strongest of these changes."""
    return max(
        (_VERDICTS[change.change] for change in found), key=_STRENGTH.index, default=Verdict.KEEP
    )


def needs_restart(found: Collection[KeyChange]) -> bool:
    """Only new processes can have these changes."""
    return any(change.change is Change.ROLL for change in found)


def softened(found: list[KeyChange], live: Collection[str]) -> list[KeyChange]:
    """What the service itself can take over: keys of [config] that its class listens to."""
    keys = {f"config.{name}" for name in live}
    return [replace(one, change=Change.LIVE) if one.key in keys else one for one in found]


def _step(name: str, old: ServiceSpec | None, new: ServiceSpec | None) -> Step:
    if old is None:
        return Step(name, Verdict.ADD)
    if new is None:
        return Step(name, Verdict.REMOVE)
    found = changes(old, new)
    return Step(name, verdict(found), tuple(found))


def _table(table: str, old: ServiceSpec, new: ServiceSpec) -> Iterator[KeyChange]:
    before, after = getattr(old, table), getattr(new, table)
    for name, key in keys_of(TABLES[table]).items():
        if getattr(before, name) != getattr(after, name) and (table, name) != ("service", "listen"):
            yield KeyChange(
                f"{table}.{name}", getattr(before, name), getattr(after, name), key.change
            )


def _mapping(
    table: str, old: Mapping[str, Any], new: Mapping[str, Any], change: Change
) -> Iterator[KeyChange]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield KeyChange(f"{table}.{name}", old.get(name), new.get(name), change)


def _routes(old: tuple[RouteSpec, ...], new: tuple[RouteSpec, ...]) -> Iterator[KeyChange]:
    before, after = [str(route) for route in old], [str(route) for route in new]
    if before != after:
        yield KeyChange("route", before or None, after or None, Change.LIVE)


def _listeners(old: tuple[ListenerSpec, ...], new: tuple[ListenerSpec, ...]) -> Iterator[KeyChange]:
    before, after = ({one.name: one for one in listeners} for listeners in (old, new))
    keys = keys_of(ListenerSpec)
    for name in sorted({*before, *after}):
        was, will = before.get(name), after.get(name)
        if was is None or will is None:
            yield KeyChange(
                f"listen.{name}", was and was.stream, will and will.stream, Change.REBIND
            )
            continue
        for f in fields(ListenerSpec):
            values = getattr(was, f.name), getattr(will, f.name)
            if values[0] != values[1]:
                yield KeyChange(f"listen.{name}.{f.name}", *values, keys[f.name].change)
