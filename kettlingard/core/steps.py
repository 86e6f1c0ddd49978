"""What `plan` prints and `apply` does: each service's definition on disk against what runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

from .keys import Change
from .parse import Problem
from .plan import KeyChange, changes, needs_restart, softened
from .spec import ServiceSpec


class Move(Enum):
    """What happens to one service; the values are the marks that people see."""

    KEEP = "="
    START = "+"
    CHANGE = "~"
    RESTART = "~~"
    STOP = "-"
    REFUSE = "!"


class Running(Struct, frozen=True):
    """One service as it is now."""

    spec: ServiceSpec | None
    runs: bool = False  # instances are wanted
    comes_up: bool = False  # it is new: nobody has started or stopped it, and it is enabled
    live: Collection[str] = ()  # settings that it can take over while it runs


class OnDisk(Struct, frozen=True):
    """One definition as its file says."""

    spec: ServiceSpec | None
    problems: tuple[Problem, ...] = ()


class Planned(Struct, frozen=True):
    """What is to be done with one service."""

    name: str
    move: Move
    changes: tuple[KeyChange, ...] = ()
    problems: tuple[Problem, ...] = ()
    spec: ServiceSpec | None = None  # to become
    runs: bool = False

    @property
    def mark(self) -> str:
        """One character."""
        return str(self.move.value)[0]

    def effect(self, change: KeyChange) -> str:
        """What one change does."""
        if not self.runs:
            return "at its next start"
        if change.change is Change.ROLL:
            assert self.spec is not None
            number = self.spec.pool.instances
            return f"restart, rolling ({number} instance{'s' if number != 1 else ''})"
        return str(change.change.value)


def steps(running: Mapping[str, Running], disk: Mapping[str, OnDisk]) -> list[Planned]:
    """One for each service, in order of names."""
    return [
        _planned(name, running.get(name, Running(None)), disk.get(name))
        for name in sorted({*running, *disk})
    ]


def _planned(name: str, now: Running, there: OnDisk | None) -> Planned:
    if there is None:
        return Planned(name, Move.STOP, spec=now.spec, runs=now.runs)
    if there.spec is None:
        return Planned(name, Move.REFUSE, problems=there.problems, runs=now.runs)
    if now.spec is None or now.comes_up:
        return Planned(name, Move.START if now.comes_up else Move.KEEP, spec=there.spec)
    found = tuple(softened(changes(now.spec, there.spec), now.live))
    if not found:
        return Planned(name, Move.KEEP, spec=there.spec, runs=now.runs)
    move = Move.RESTART if now.runs and needs_restart(found) else Move.CHANGE
    return Planned(name, move, found, spec=there.spec, runs=now.runs)


def record(planned: Planned) -> dict[str, Any]:
    """As plain data; names are stable."""
    number = planned.spec.pool.instances if planned.spec is not None else 0
    does = {
        Move.KEEP: "",
        Move.START: f"start {number}",
        Move.CHANGE: "live" if planned.runs else "at its next start",
        Move.RESTART: "restart",
        Move.STOP: "stop (only with --prune)" if planned.runs else "forget (only with --prune)",
        Move.REFUSE: "kept as is",
    }
    return {
        "name": planned.name,
        "mark": planned.mark,
        "does": does[planned.move],
        "changes": [
            {
                "key": change.key,
                "old": change.old,
                "new": change.new,
                "change": change.change.value,
                "text": change.values,
                "does": planned.effect(change),
            }
            for change in planned.changes
        ],
        "problems": [str(problem) for problem in planned.problems],
    }
