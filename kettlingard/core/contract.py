"""Would callers of the old methods still find theirs? Method records -> what is broken. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]


def broken(old: Sequence[Record], new: Sequence[Record]) -> list[str]:
    """What callers can no longer do, as short phrases; [] if everything still works."""
    by_name = {(one["access"], one["name"]): one for one in new}
    found: list[str] = []
    for one in old:
        other = by_name.get((one["access"], one["name"]))
        if other is None:
            found.append(f"removed {one['name']}({', '.join(_by_name(one['arguments']))})")
        else:
            found += _arguments(one, other)
    return found


def _arguments(old: Record, new: Record) -> Iterator[str]:
    before, after = _by_name(old["arguments"]), _by_name(new["arguments"])
    takes_all = any(argument["kind"] == "others" for argument in new["arguments"])
    for name in before:
        if name not in after and not takes_all:
            yield f"{old['name']} lost {name}"
    for name, argument in after.items():
        was_optional = name not in before or not before[name]["required"]
        if argument["required"] and was_optional:
            yield f"{old['name']} now requires {name}"


def _by_name(arguments: Iterable[Record]) -> dict[str, Record]:
    return {one["name"]: one for one in arguments if one["kind"] not in {"more", "others"}}
