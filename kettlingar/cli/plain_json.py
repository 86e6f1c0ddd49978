"""JSON of plain values, by the C half of the standard library's module.

Its Python half brings `re`, which takes longer to import than a `ctl status` takes for all the
rest. What is not plain is a ValueError or TypeError here: kettlingar.wire.content knows it.
"""

from __future__ import annotations

from _json import encode_basestring, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPECIAL = frozenset(("__base64__", "__bytes__", "__fd__"))
_STEP = "  "


def _nothing_else(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no JSON of its own")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs) or (len(pairs) == 1 and pairs[0][0] in _SPECIAL):
        raise ValueError("an object that is not plain")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class _Rules:
    """What `make_scanner` asks for."""

    strict = True
    object_hook = array_hook = None
    object_pairs_hook = staticmethod(_object)
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_no_constant)


_scan: Any = make_scanner(_Rules)  # type: ignore[arg-type]  # anything with these attributes
_write: Any = make_encoder(
    None, _nothing_else, encode_basestring, None, ":", ",", False, False, False
)


def written(value: object) -> str:
    """On one line, as `to_json` does."""
    try:
        return "".join(_write(value, 0))
    except RecursionError:
        raise ValueError("it is nested too deep, or in itself") from None


def read(data: bytes) -> Any:
    """The value of a text without escapes by number, which can spell half a character."""
    if b"\\u" in data:
        raise ValueError("escapes by number")
    text = data.decode()
    try:
        value, end = _scan(text, 0)
    except (StopIteration, RecursionError):
        raise ValueError("no value, or too deep") from None
    if end != len(text):
        raise ValueError("more than a value")
    return value


def indented(value: object, margin: str = "\n") -> str:
    """With a line for each item, as `json.dumps(value, indent=2)` does."""
    inner = margin + _STEP
    if type(value) is dict and value:
        rows = [f"{_name(name)}: {indented(item, inner)}" for name, item in value.items()]
    elif type(value) is list and value:
        rows = [indented(item, inner) for item in value]
    else:
        return written(value)
    opening, closing = "{}" if type(value) is dict else "[]"
    return f"{opening}{inner}{f',{inner}'.join(rows)}{margin}{closing}"


def _name(name: object) -> str:
    if type(name) is not str:
        raise TypeError("a name that is no text")
    return encode_basestring(name)
