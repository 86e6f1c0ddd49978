"""Names in a method's signature that hold what no caller sends: self and the request.

Python lets nobody pass these by name, not even to a method that takes any name
(`**others`): it would be the same argument twice.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

LEGACY = ("method", "headers", "body")


def reserved_names(function: Any, *, has_self: bool, legacy: bool) -> frozenset[str]:
    """Return the names that are filled before a caller's arguments come.

    Of a decorated method also those of its wrappers: the call goes through each of them.
    """
    count = int(has_self) + (len(LEGACY) if legacy else 1)
    return frozenset(name for f in _through_wrappers(function) for name in _first(f, count))


def _first(function: Any, count: int) -> Iterator[str]:
    parameters = list(inspect.signature(function, follow_wrapped=False).parameters.values())
    for parameter in parameters[:count]:
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            yield parameter.name


def _through_wrappers(function: Any) -> Iterator[Any]:
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)
