"""Single values, from the wire or a command line, as the type that an annotation names.

Each function returns the value or raises ValueError, in Python's own words where it has some.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

Convert = Callable[[Any], Any]

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_NOTHING = frozenset({"", "none", "null"})
_RADIX = {"0x": 16, "0o": 8, "0b": 2}


def to_int(value: Any) -> int:
    """Integers, whole floats, and texts: decimal, 0x, 0o, 0b."""
    if isinstance(value, str):
        radix = _RADIX.get(value.strip().lower().lstrip("+-")[:2], 10)
        return int(value, radix)
    if isinstance(value, float):
        if value.is_integer():
            return int(value)
        raise ValueError(f"{value!r} is not a whole number")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise unfit(value, "int")


def to_float(value: Any) -> float:
    """Numbers, and texts as float() reads them."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as too_big:
            raise ValueError(str(too_big)) from None
    raise unfit(value, "float")


def to_bool(value: Any) -> bool:
    """Only the words that are meant so: a typing error must not become a yes."""
    if isinstance(value, (str, int)):
        word = str(value).strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError(f"{shown(value)} is neither true/t/yes/y/1 nor false/f/no/n/0")
    raise unfit(value, "bool")


def to_str(value: Any) -> str:
    """Texts, numbers as they are written, bytes if they are UTF-8."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise unfit(value, "str")


def to_bytes(value: Any) -> bytes:
    """Any buffer, and texts as UTF-8."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8")
    raise unfit(value, "bytes")


def to_bytearray(value: Any) -> bytearray:
    """As to_bytes, but to be changed."""
    return value if isinstance(value, bytearray) else bytearray(to_bytes(value))


def to_none(value: Any) -> None:
    """None, and the words for it that a command line has."""
    if value is not None and not (isinstance(value, str) and value.strip().lower() in _NOTHING):
        raise unfit(value, "None")


SCALARS: dict[Any, Convert] = {
    int: to_int,
    float: to_float,
    bool: to_bool,
    str: to_str,
    bytes: to_bytes,
    bytearray: to_bytearray,
    type(None): to_none,
    None: to_none,
}


def to_choice(choices: tuple[tuple[Any, tuple[str, ...]], ...]) -> Convert:
    """One of several values, each given as itself or by one of its names.

    `choices` are (value, names); 1 and True are different values.
    """
    told = ", ".join(names[-1] for _, names in choices)

    def convert(value: Any) -> Any:
        for choice, _ in choices:
            plain = choice.value if isinstance(choice, Enum) else choice
            if value is choice or (type(plain) is type(value) and plain == value):
                return choice
        for choice, names in choices:
            if isinstance(value, str) and value in names:
                return choice
        raise ValueError(f"{shown(value)} is not one of {told}")

    return convert


def unfit(value: Any, wanted: str) -> ValueError:
    """The error for a value of a type that cannot become another."""
    return ValueError(f"{type(value).__name__} {shown(value)} is not {wanted}")


def shown(value: Any, limit: int = 60) -> str:
    """A value in an error text: recognisable, but never long."""
    if isinstance(value, (str, bytes, bytearray)):
        value = value[: limit + 1]
    elif isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value) if isinstance(value, _SHORT) else f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 1] + "…"


_SHORT = (str, bytes, bytearray, int, float, type(None))
