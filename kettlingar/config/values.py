"""Settings as texts, and back: each kind of value knows how it is read and written."""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union

from msgspec import Struct

Octal = NewType("Octal", int)  # a number that people write in base 8: a umask

_LIST = '["a", "b"]'
_LIKE: Mapping[type, str] = {dict: '{"a": 1}'}
_TRUE = frozenset({"true", "t", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "off"})
_RADIX = {"0x": 16, "0o": 8, "0b": 2}


class Check:
    """Beside the type, in a setting's annotation: what else its value is to be."""

    def __call__(self, value: Any) -> None:
        """Raise ValueError for a value that means nothing."""
        raise NotImplementedError


class Between(Check, Struct, frozen=True):
    """Not below `least`, nor above `most`."""

    least: float
    most: float = math.inf

    def __call__(self, value: Any) -> None:
        """Compare."""
        if not self.least <= value <= self.most:
            rest = f"above {self.most:g}" if value > self.most else f"below {self.least:g}"
            raise ValueError(f"it may not be {rest}")


class Level(Check):
    """A name or number of logging's."""

    def __call__(self, value: Any) -> None:
        """Look it up."""
        from kettlingar.logs import level_number

        level_number(value)


def convert(kind: Any, value: Any) -> Any:
    """`value` as a setting of type `kind`; texts are read as people write them.

    Raises ValueError in Python's words.
    """
    origin = typing.get_origin(kind) or kind
    if origin in (Union, UnionType):
        return _one_of(typing.get_args(kind), value)
    if origin is Literal:
        return _choice({str(each): each for each in typing.get_args(kind)}, value)
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _choice({str(each.value): each for each in origin}, value)
    if isinstance(value, str) and origin in (list, dict, tuple, set):
        value = _from_json(value, origin)
    read = _READERS.get(origin)
    if read is not None:
        return read(value)
    if isinstance(origin, type) and not isinstance(value, origin):
        return origin(value)
    return value


def name_of(kind: Any) -> str:
    """A type's name, for people."""
    if typing.get_origin(kind) is Literal:
        return "choice"
    name: str = getattr(kind, "__name__", str(kind))
    return name


def kind_of(default: Any) -> Any:
    """The type that a default stands for; None says nothing."""
    return Any if default is None else type(default)


def written(value: Any, kind: Any = Any) -> str:
    """A value as text that `convert` reads back."""
    if kind is Octal:
        return f"0o{value:03o}"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict, tuple, set)):
        plain = sorted(value) if isinstance(value, set) else value
        return json.dumps(plain, ensure_ascii=False, default=str)
    return "" if value is None else str(value)


def _from_json(text: str, kind: type) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise ValueError(
            f"it is written as JSON, {_LIKE.get(kind, _LIST)} for instance ({problem})"
        ) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _bool(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("neither true/yes/y/1 nor false/no/n/0")


def _int(value: Any) -> int:
    if isinstance(value, str):
        return int(value, _RADIX.get(value.strip().lower().lstrip("+-")[:2], 10))
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("not a whole number")
    return int(value)


def _octal(value: Any) -> int:
    return int(value, 8) if isinstance(value, str) else _int(value)


def _float(value: Any) -> float:
    number = float("nan") if isinstance(value, bool) else float(value)
    if math.isnan(number):
        raise ValueError("not a number")
    return number


def _str(value: Any) -> str:
    if isinstance(value, (str, bool, int, float)):
        return written(value)
    raise ValueError(f"{type(value).__name__} is no text")


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    raise ValueError(f"{type(value).__name__} is no list")


def _dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError(f"{type(value).__name__} is no table")


def _none(value: Any) -> None:
    if value not in (None, ""):
        raise ValueError("not empty")


_READERS: dict[Any, Any] = {
    bool: _bool,
    int: _int,
    Octal: _octal,
    float: _float,
    str: _str,
    bytes: _bytes,
    list: _list,
    tuple: lambda value: tuple(_list(value)),
    set: lambda value: set(_list(value)),
    dict: _dict,
    NoneType: _none,
    Any: lambda value: value,
}


def _choice(choices: dict[str, Any], value: Any) -> Any:
    text = str(value.value if isinstance(value, Enum) else value)
    if text in choices:
        return choices[text]
    raise ValueError(f"not one of {', '.join(choices)}")


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    """Right already, or the first that fits; text, which nearly everything fits, last."""
    if not isinstance(value, str) and type(value) in kinds:
        return value
    problem = ValueError("fits none")
    for kind in sorted(kinds, key=lambda each: each is str):
        try:
            return convert(kind, value)
        except ValueError as no:
            problem = no
    raise problem
