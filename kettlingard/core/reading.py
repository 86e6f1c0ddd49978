"""Texts of TOML laid over each other: one mapping, and where each of its values was written.

[defaults] of kettlingard.toml lies under a definition, drop-ins lie over it:
tables deep, arrays replaced. A relative path counts from the folder of the
definition, one of [defaults] from that of kettlingard.toml.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import tomli
from msgspec import Struct, field

from .scan import KeyPath, Place, places
from .values import show


class Source(Struct, frozen=True):
    """One file of a definition."""

    file: str  # absolute
    text: str
    inside: str = ""  # only this table of it: what is in there is the definition


class Problem(Struct, frozen=True):
    """One thing that is wrong, where, and what to do."""

    file: str  # "" = none: `why` says all
    why: str
    line: int = 0  # 0 = the file as a whole
    column: int = 0
    key: str = ""
    value: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        start = f"{place}: " if place else ""
        key = f"{self.key}: " if self.key else ""
        return f"{start}{key}{self.why}" + (f"; {self.hint}" if self.hint else "")


class Reading(Struct):
    """What has been found out while one definition is read."""

    file: str
    origins: dict[KeyPath, tuple[str, Place]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    others: set[str] = field(default_factory=set)  # files whose paths count from their own folders

    def problem(self, path: KeyPath, why: str, value: object = None, advice: str = "") -> None:
        """Note a problem at the nearest place that is known for `path`."""
        above = path
        while above and above not in self.origins:
            above = above[:-1]
        file, place = self.origins.get(above, (self.file, Place(0, 0)))
        text = "" if value is None else show(value)
        self.problems.append(Problem(file, why, *place, dotted(path), text, advice))

    def folder(self, path: KeyPath) -> str:
        """The folder from which the relative paths of this key count."""
        file = self.origins.get(path, (self.file,))[0]
        return posixpath.dirname(file if file in self.others else self.file)


def dotted(path: KeyPath) -> str:
    """("listen", 0, "stream") -> "listen[0].stream"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def load(source: Source, reading: Reading) -> dict[str, Any]:
    """The values of one text; a text that is no TOML is a problem, and has none."""
    try:
        data = tomli.loads(source.text)
    except tomli.TOMLDecodeError as e:
        why = f"this is not TOML: {e.msg}"
        reading.problems.append(Problem(source.file, why, e.lineno, e.colno))
        return {}
    except RecursionError:
        reading.problems.append(Problem(source.file, "this is not TOML: it is nested too deeply"))
        return {}
    inner = data.get(source.inside, {}) if source.inside else data
    return inner if isinstance(inner, dict) else {}


def lay_over(
    below: dict[str, Any], above: dict[str, Any], source: Source, reading: Reading
) -> None:
    """Put one text's values over those of the texts before it."""
    if not above:
        return
    if source.inside:
        reading.others.add(source.file)
    for path in _lists(above, ()):  # they are replaced, with all that is in them
        for other in [one for one in reading.origins if one[: len(path)] == path]:
            del reading.origins[other]
    for path, place in places(source.text).items():
        if not source.inside:
            _note(path, place, source, below, reading)
        elif path[0] == source.inside and len(path) > 1:
            _note(path[1:], place, source, below, reading)
    _merge(below, above)


def _note(
    path: KeyPath, place: Place, source: Source, below: dict[str, Any], reading: Reading
) -> None:
    """Where a value was written; a table is where the definition itself begins it."""
    known = _at(below, path)
    if isinstance(known, dict) and source.file != reading.file and path in reading.origins:
        return
    reading.origins[path] = (source.file, place)


def _lists(values: Mapping[str, Any], path: KeyPath) -> Iterator[KeyPath]:
    for name, value in values.items():
        if isinstance(value, list):
            yield (*path, name)
        elif isinstance(value, dict):
            yield from _lists(value, (*path, name))


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            _merge(below[name], value)
        else:
            below[name] = value
