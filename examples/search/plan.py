"""Which files to read again. Pure: what is known and what is there come in as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stamp:
    """By these a file counts as unchanged: nobody has to read it."""

    mtime_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What an index run will do, in this order."""

    remove: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    change: tuple[str, ...] = ()
    unchanged: int = 0

    @property
    def read(self) -> tuple[str, ...]:
        return self.add + self.change


def compare(known: Mapping[str, Stamp], found: Mapping[str, Stamp]) -> Plan:
    """Compare the index with the folder."""
    both = known.keys() & found.keys()
    change = sorted(path for path in both if known[path] != found[path])
    return Plan(
        remove=tuple(sorted(known.keys() - found.keys())),
        add=tuple(sorted(found.keys() - known.keys())),
        change=tuple(change),
        unchanged=len(both) - len(change),
    )


def in_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """A transaction for each batch: readers see progress, and a writer never waits long."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def split_title(path: str, text: str) -> tuple[str, str]:
    """A title and the rest: the first line that says something, else the file's name."""
    lines = text.splitlines()
    for number, line in enumerate(lines[:5]):
        if title := line.strip().strip("#=-* ").strip():
            return title[:120], "\n".join(lines[number + 1 :])
    return path.rpartition("/")[2], text
