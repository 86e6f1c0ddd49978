"""Types of arguments and results as JSON Schema, in the forms that this wire gives them."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from .methods import EMPTY

_REF: Final = "#/components/schemas/{name}"
_UNIONS: Final = (typing.Union, types.UnionType)
_STAMP: Final = Annotated[datetime, msgspec.Meta(tz=True)]  # else its format is not told
_BYTES: Final = {  # as a text (its UTF-8), or as results have them
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"__base64__": {"type": "string", "contentEncoding": "base64"}},
            "required": ["__base64__"],
        },
    ]
}


def schema_of(rule: Any, components: dict[str, Any], *, result: bool = False) -> Mapping[str, Any]:
    """A type as JSON Schema; {} (anything) where nothing is said, or nothing can be.

    Classes with fields are added to `components`. Any other class is, as an argument,
    made from one text; as a `result` it may be anything.
    """
    if rule is EMPTY or isinstance(rule, str):
        return {}
    try:
        (schema,), found = msgspec.json.schema_components(
            [_told(rule)], schema_hook=None if result else _by_its_text, ref_template=_REF
        )
    except (TypeError, RuntimeError):
        return {}
    components.update(_with_bytes(found))
    return typing.cast("Mapping[str, Any]", _with_bytes(schema))


def _told(rule: Any) -> Any:
    if rule is datetime:
        return _STAMP
    if typing.get_origin(rule) in _UNIONS:
        return typing.Union[tuple(map(_told, typing.get_args(rule)))]  # noqa: UP007 - made here
    return rule


def _by_its_text(_rule: type) -> dict[str, Any]:
    return {"type": "string"}


def _with_bytes(schema: Any) -> Any:
    """The same, where msgspec's form of bytes is replaced by ours."""
    if isinstance(schema, dict):
        if schema.get("contentEncoding") == "base64":
            return {**{k: v for k, v in schema.items() if k not in _REPLACED}, **_BYTES}
        return {name: _with_bytes(inner) for name, inner in schema.items()}
    if isinstance(schema, list):
        return [_with_bytes(inner) for inner in schema]
    return schema


_REPLACED: Final = frozenset({"type", "contentEncoding"})
