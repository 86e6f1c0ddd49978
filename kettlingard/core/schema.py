"""The keys of a definition as JSON Schema, for editors that complete and check TOML."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any

from .keys import key_of
from .listeners import ListenerSpec, RouteSpec
from .spec import REFUSED_TABLES, TABLES
from .values import TEXT

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """What a file of services.d may say."""
    tables = {name: _table(cls) for name, cls in TABLES.items()}
    tables["config"] = {"type": "object", "description": "settings of the service's Configuration"}
    tables["environment"] = _texts("variables of its processes")
    if "credentials" not in REFUSED_TABLES:
        tables["credentials"] = _texts("files that it may read in $CREDENTIALS_DIRECTORY")
    tables["listen"] = {"type": "array", "items": _table(ListenerSpec)}
    tables["route"] = {"type": "array", "items": _table(RouteSpec)}
    return {
        "$schema": DIALECT,
        "title": "A service of kettlingard",
        "type": "object",
        "properties": tables,
        "required": ["service"],
        "additionalProperties": False,
    }


def _texts(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": dict(TEXT.form),
    }


def _table(cls: type[Any]) -> dict[str, Any]:
    keys = [one for one in fields(cls) if "key" in one.metadata]
    found: dict[str, Any] = {
        "type": "object",
        "description": (cls.__doc__ or "").strip(),
        "properties": {one.name: _property(one) for one in keys},
        "additionalProperties": False,
    }
    required = [one.name for one in keys if key_of(one).required]
    return {**found, "required": required} if required else found


def _property(of: Field[Any]) -> dict[str, Any]:
    key = of.metadata["key"]
    found = {**key.kind.form, "description": f"{key.doc} ({key.change.value})"}
    default = of.default if of.default is not MISSING else None
    # Only what is written as it is kept: 0o027 is "0027" in a file, 15 is "SIGTERM".
    number = "number" in key.kind.form.get("type", "") or key.kind.form.get("type") == "integer"
    plain = isinstance(default, (bool, str)) or (isinstance(default, (int, float)) and number)
    return {**found, "default": default} if plain and default != "" else found
