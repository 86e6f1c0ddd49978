"""A definition as it counts: each key with its value, written as TOML, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from .keys import keys_of
from .listeners import ListenerSpec, RouteSpec
from .spec import TABLES, ServiceSpec
from .values import EXIT_STATUS, LIMIT, OCTAL, PUBLIC, SIGNAL, SIGNAL_NAMES, Kind, list_of

DEFAULT = "default"


class Row(Struct, frozen=True):
    """One key."""

    table: str  # as its header is written: service, [listen]
    key: str
    value: str  # TOML; "" = nothing
    origin: str  # file:line:column, default, or the command that said so
    change: str = ""

    def as_dict(self) -> dict[str, str]:
        """Plain data."""
        return {
            "table": self.table,
            "key": self.key,
            "value": self.value,
            "origin": self.origin,
            "change": self.change,
        }


def rows(spec: ServiceSpec, overrides: Mapping[str, tuple[Any, str]]) -> list[Row]:
    """All keys of one service. `overrides`: by dotted key, what holds instead and who says so."""
    return [*_tables(spec, overrides), *_free(spec), *_listeners(spec), *_routes(spec)]


def _tables(spec: ServiceSpec, overrides: Mapping[str, tuple[Any, str]]) -> Iterator[Row]:
    for table, cls in TABLES.items():
        for name, key in keys_of(cls).items():
            dotted = f"{table}.{name}"
            if dotted == "service.listen":
                continue
            value, origin = overrides.get(
                dotted, (getattr(getattr(spec, table), name), _origin(spec, dotted))
            )
            yield Row(table, name, written(key.kind, value), origin, key.change.value)


def _free(spec: ServiceSpec) -> Iterator[Row]:
    free: dict[str, Mapping[str, Any]] = {"config": spec.config, "environment": spec.environment}
    for table, values in free.items():
        for name, value in values.items():
            yield Row(table, name, toml(value), _origin(spec, f"{table}.{name}"), "restart")


def _listeners(spec: ServiceSpec) -> Iterator[Row]:
    for number, listener in enumerate(spec.listen):
        for name, key in keys_of(ListenerSpec).items():
            value = getattr(listener, name)
            dotted = f"listen[{number}].{name}"
            known = dotted if dotted in spec.origins else "service.listen"
            given = dotted in spec.origins or name in {"name", "stream"}
            origin = _origin(spec, known) if given else DEFAULT
            yield Row("[listen]", name, written(key.kind, value), origin, key.change.value)


def _routes(spec: ServiceSpec) -> Iterator[Row]:
    for number, route in enumerate(spec.route):
        for name, key in keys_of(RouteSpec).items():
            value = written(key.kind, getattr(route, name))
            yield Row("[route]", name, value, _origin(spec, f"route[{number}].{name}"), "live")


def _origin(spec: ServiceSpec, dotted: str) -> str:
    found = spec.origins.get(dotted)
    if found is None:
        return DEFAULT
    file, (line, column) = found
    return f"{file}:{line}:{column}"


def written(kind: Kind, value: Any) -> str:
    """A value as its definition would say it."""
    if value is None:
        return '"all"' if kind is PUBLIC else ""
    if kind is OCTAL:
        return f'"{value:04o}"'
    if kind is SIGNAL:
        return toml(SIGNAL_NAMES.get(value, value))
    if kind is LIMIT and value == -1:
        return '"infinity"'
    if kind.name == list_of(EXIT_STATUS).name:
        return toml([one if one >= 0 else SIGNAL_NAMES[-one] for one in value])
    return toml(value)


def toml(value: Any) -> str:
    """A plain value as TOML on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(str(name))} = {toml(item)}" for name, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple, frozenset)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else json.dumps(name)
