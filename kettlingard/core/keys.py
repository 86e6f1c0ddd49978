"""What is known of a key of a definition: kind, default, what its change means, a sentence for people."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from enum import Enum
from typing import Any

from .values import Kind


class Change(Enum):
    """What has to happen when a key's value changes."""

    LIVE = "live"  # applied to what runs
    NEXT = "next start"
    ROLL = "restart"  # rolling
    REBIND = "rebind"  # the listener is opened again


L, N, R, S = Change.LIVE, Change.NEXT, Change.ROLL, Change.REBIND


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key, apart from its name and default."""

    kind: Kind
    change: Change
    doc: str
    required: bool = False


def key_field(
    kind: Kind, default: object, change: Change, doc: str, *, required: bool = False
) -> Any:
    """One field of a table: the one place of its key."""
    metadata = {"key": Key(kind, change, doc, required)}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def keys_of(table: type[Any]) -> dict[str, Key]:
    """Name -> Key of a table's class."""
    return {f.name: key_of(f) for f in fields(table)}


def key_of(of: Field[Any]) -> Key:
    """The Key of one field."""
    key = of.metadata["key"]
    assert isinstance(key, Key)
    return key
