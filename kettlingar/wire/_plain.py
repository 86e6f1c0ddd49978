"""What Python values become when neither JSON nor msgpack has a form for them.

A class whose module nobody has imported has no instances: so none is imported for this.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any, Final

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
    if _is_a(value, "pathlib", "PurePath") or type(value).__module__ in _TEXTS:
        return str(value)
    return _container(value)


def _is_a(value: Any, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _container(value: Any) -> Any:
    if _is_a(value, "msgspec", "Struct"):
        return {name: getattr(value, name) for name in type(value).__struct_fields__}
    if hasattr(type(value), "__dataclass_fields__"):
        from dataclasses import fields

        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, _LISTS):
        return list(value)
    return NotImplemented


def most_containers(size: int) -> int:
    """How many lists and maps a payload of `size` bytes may hold."""
    return max(32_768, size // 32)
