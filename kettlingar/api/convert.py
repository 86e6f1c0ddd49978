"""An annotation -> the function that makes such a value, put together once for each.

Values that are right already pass untouched; texts are read as a person would mean them; the
insides of dataclasses and the like are msgspec's to judge.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections import abc
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import starmap
from typing import Any, Literal, Union
from uuid import UUID

import msgspec

from .scalars import SCALARS, Convert, shown, to_choice, unfit

_UNIONS = (Union, types.UnionType)
_LISTS: dict[Any, Convert] = {
    list: list,
    set: set,
    frozenset: frozenset,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Iterable: list,
    abc.Collection: list,
    abc.Set: frozenset,
    abc.MutableSet: set,
}
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_ANYTHING = (Any, object, inspect.Parameter.empty, abc.Callable)
_MSGSPEC = (datetime, date, time, timedelta, UUID, Decimal, msgspec.Struct)
# Of a union, narrow types are tried before wide ones; text fits nearly everything.
_RANK = {type(None): 0, int: 1, float: 2, bool: 3, bytes: 8, str: 9}


def type_name(rule: Any) -> str:
    """An annotation as a person would write it: `dict[str, Path] | None`."""
    if rule is type(None) or rule is None:
        return "None"
    origin, args = typing.get_origin(rule), typing.get_args(rule)
    if origin is None:
        return getattr(rule, "__qualname__", "") or getattr(rule, "_name", None) or str(rule)
    if origin is typing.Annotated:
        return type_name(args[0])
    if origin in _UNIONS:
        return " | ".join(map(type_name, args))
    inside = ", ".join(repr(a) if origin is Literal else _inner_name(a) for a in args)
    return f"{getattr(origin, '__name__', str(origin))}[{inside}]"


def _inner_name(rule: Any) -> str:
    if rule is Ellipsis:
        return "..."
    return f"[{', '.join(map(type_name, rule))}]" if isinstance(rule, list) else type_name(rule)


def converter(rule: Any) -> Convert | None:
    """The function that makes a `rule` of a value, or raises ValueError; None: anything will do."""
    try:
        return _cached(rule)
    except TypeError:  # an annotation that cannot be hashed: Annotated[…, {}]
        return _make(rule)


def _make(rule: Any) -> Convert | None:
    if any(rule is each for each in _ANYTHING) or isinstance(rule, typing.TypeVar):
        return None
    origin = typing.get_origin(rule)
    if origin is typing.Annotated:
        return _annotated(rule)
    if rule in SCALARS:
        return SCALARS[rule]
    if hasattr(rule, "__supertype__"):  # NewType
        return converter(rule.__supertype__)
    for kinds, make in _GENERIC:
        if (origin or rule) in kinds:
            made: Convert | None = make(origin or rule, typing.get_args(rule))
            return made
    return _class(rule, origin)


_cached = cache(_make)


def _class(rule: Any, origin: Any) -> Convert:
    if isinstance(rule, type) and issubclass(rule, Enum):
        return to_choice(tuple((m, (m.name, str(m.value))) for m in rule))
    if _by_msgspec(origin or rule):
        return _structured(rule)
    return _foreign(origin or rule)


def _by_msgspec(cls: Any) -> bool:
    return (
        typing.is_typeddict(cls)
        or hasattr(cls, "__dataclass_fields__")
        or hasattr(cls, "__attrs_attrs__")
        or not isinstance(cls, type)
        or issubclass(cls, _MSGSPEC)
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )


def _annotated(rule: Any) -> Convert | None:
    """`Annotated[int, Meta(gt=0)]`: convert, then let msgspec check what it understands."""
    inner = converter(rule.__origin__)
    if not any(isinstance(each, msgspec.Meta) for each in rule.__metadata__):
        return inner

    def convert(value: Any) -> Any:
        return msgspec.convert(inner(value) if inner else value, rule)

    return convert


def _structured(rule: Any) -> Convert:
    kind = rule if isinstance(rule, type) and not typing.is_typeddict(rule) else ()

    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            value = _from_json(value)
        return msgspec.convert(value, rule, strict=False, dec_hook=_inside, str_keys=False)

    return convert


def _inside(rule: Any, value: Any) -> Any:
    """What msgspec finds inside a structure and does not know."""
    make = converter(rule)
    return make(value) if make else value


def _foreign(cls: type) -> Convert:
    """Any class that can be made from one text."""
    if inspect.isabstract(cls) or getattr(cls, "_is_protocol", False) or cls in _FILES:
        return _nothing_else(cls)

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise unfit(value, cls.__qualname__)
        return cls(value)

    return convert


_FILES = (typing.IO, typing.TextIO, typing.BinaryIO)


def _nothing_else(cls: Any) -> Convert:
    """Open files and protocols: they come as they are, there is nothing to make them from."""

    def convert(value: Any) -> Any:
        if value is None or isinstance(value, (str, bytes, int, float, list, dict)):
            raise unfit(value, cls.__qualname__)
        return value

    return convert


# --- made of other types ----------------------------------------------------


def _union(_: Any, rules: tuple[Any, ...]) -> Convert | None:
    makers = [converter(rule) for rule in sorted(rules, key=lambda r: _RANK.get(r, 5))]
    if None in makers:
        return None
    exact = tuple(rule for rule in rules if isinstance(rule, type) and rule not in _LOOSE)

    def convert(value: Any) -> Any:
        if type(value) in exact:
            return value
        problems = []
        for make in makers:
            assert make is not None
            try:
                return make(value)
            except (ValueError, TypeError) as problem:
                problems.append(str(problem))
        told = problems[1:] if type(None) in rules else problems  # None was tried first
        raise ValueError("; ".join(told))

    return convert


_LOOSE = (list, dict, set, frozenset, tuple)


def _literal(_: Any, choices: tuple[Any, ...]) -> Convert:
    return to_choice(tuple((c, (str(c.value if isinstance(c, Enum) else c),)) for c in choices))


def _list(kind: Any, rules: tuple[Any, ...]) -> Convert:
    make, build = converter(rules[0]) if rules else None, _LISTS[kind]

    def convert(value: Any) -> Any:
        items = _items(value)
        return build(items if make is None else [make(item) for item in items])

    return convert


def _tuple(_: Any, rules: tuple[Any, ...]) -> Convert:
    if not rules or rules[-1] is Ellipsis:
        rest = converter(rules[0]) if rules else None
        return lambda value: tuple(_items(value) if rest is None else map(rest, _items(value)))
    makers = [converter(rule) for rule in rules]

    def convert(value: Any) -> Any:
        items = _items(value)
        if len(items) != len(makers):
            raise ValueError(f"{len(items)} values are not {len(makers)}")
        return tuple(make(item) if make else item for make, item in zip(makers, items, strict=True))

    return convert


def _dict(_: Any, rules: tuple[Any, ...]) -> Convert:
    key, item = map(converter, rules or (Any, Any))

    def pair(k: Any, v: Any) -> tuple[Any, Any]:
        return (key(k) if key else k), (item(v) if item else v)

    def convert(value: Any) -> Any:
        if isinstance(value, str):
            value = _from_json(value)
        if not isinstance(value, abc.Mapping):
            raise unfit(value, "dict")
        return dict(starmap(pair, value.items())) if key or item else value

    return convert


def _any(_: Any, __: tuple[Any, ...]) -> None:
    return None


# (what an annotation is or is made of, how to make its converter)
_GENERIC: list[tuple[Any, Any]] = [
    (_UNIONS, _union),
    ((Literal,), _literal),
    (_LISTS, _list),
    ((tuple,), _tuple),
    (_DICTS, _dict),
    ((abc.Callable,), _any),
]


def _items(value: Any) -> list[Any]:
    """A list of whatever has members; a text is JSON, or else the only member."""
    if isinstance(value, str):
        value = _from_json(value) if value.lstrip().startswith("[") else [value]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    raise unfit(value, "list")


def _from_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise ValueError(f"{shown(text)} is no JSON: {problem}") from None
