"""What Python values become when neither JSON nor msgpack has a form for them."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

import msgspec

_TEXTS: Final = frozenset(("uuid", "decimal"))  # modules, which need not be loaded for this
_STAMPS: Final = (datetime, date, time)
_LISTS: Final = (AbstractSet, deque)


def plain(value: Any, default: Callable[[Any], Any] | None) -> Any:
    """One layer of `value` as plainer data, or what `default` makes of it.

    Raises TypeError for what has no form.
    """
    found = _known(value)
    if found is not NotImplemented:
        return found
    if default is not None:
        return default(value)
    raise TypeError(
        f"cannot send a {type(value).__name__}: it has no form in JSON or msgpack;"
        " send plain data or a dataclass"
    )


def _known(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, _STAMPS):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath) or type(value).__module__ in _TEXTS:
        return str(value)
    return _container(value)


def _container(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, _LISTS):
        return list(value)
    return NotImplemented


def most_containers(size: int) -> int:
    """How many lists and maps a payload of `size` bytes may hold."""
    return max(32_768, size // 32)
