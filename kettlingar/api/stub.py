"""The method table as a .pyi: what a type checker should know of a service's client."""

from __future__ import annotations

import keyword
import types
import typing
from collections import abc
from collections.abc import Iterable
from inspect import Parameter as Kind
from typing import Any, Literal, Union

from .describe import arguments, one_each
from .methods import EMPTY, Method, Parameter

_HEAD = '''"""Made by `kettlingar stub {spec}`; make it again when the service changes."""

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

class {name}(Protocol):
'''
_OPTIONS = (
    "call_use_json: bool = ..., call_reply_to: Any = ..., call_max_tries: int = ..., "
    "call_allow_unix: bool = ..., call_timeout: float | None = ..."
)
_PLAIN = {int: "int", float: "float", bool: "bool", str: "str", bytes: "bytes", type(None): "None"}
_RESULTS = {"HttpResult": "dict[str, Any]", "FdsResult": "list[Any]"}
_MANY: dict[Any, str] = {
    list: "list",
    set: "list",
    frozenset: "list",
    tuple: "list",
    abc.Sequence: "list",
    abc.Iterable: "list",
    dict: "dict",
    abc.Mapping: "dict",
}
_STREAMS = (abc.AsyncIterator, abc.AsyncGenerator, abc.AsyncIterable)


def stub(spec: str, methods: Iterable[Method]) -> str:
    """The text of a stub for the client of `module:Class`."""
    name = spec.rpartition(":")[2].rpartition(".")[2]
    known = [
        m for m in one_each(methods) if m.name.isidentifier() and not keyword.iskeyword(m.name)
    ]
    return _HEAD.format(spec=spec, name=name) + "".join(_method(method) for method in known)


def _method(method: Method) -> str:
    found = [p for p in arguments(method) if not keyword.iskeyword(p.name)]
    before = [_argument(p) for p in found if p.kind is not Kind.VAR_KEYWORD]
    first_named = [i for i, p in enumerate(found) if p.kind is Kind.KEYWORD_ONLY]
    if not method.var_args:
        before.insert(first_named[0] if first_named else len(before), "*")
    after = [_argument(p) for p in found if p.kind is Kind.VAR_KEYWORD]
    if positional := [i for i, p in enumerate(found) if p.kind is Kind.POSITIONAL_ONLY]:
        before.insert(positional[-1] + 1, "/")
    taken = ", ".join(["self", *before, _OPTIONS, *after])
    word, result = ("def", _items(method)) if method.streams else ("async def", _result(method))
    return f"    {word} {method.name}({taken}) -> {result}: ...\n"


def _argument(p: Parameter) -> str:
    stars = {Kind.VAR_POSITIONAL: "*", Kind.VAR_KEYWORD: "**"}.get(p.kind, "")
    default = "" if p.default is EMPTY else " = ..."
    kind = type_text(p.annotation)
    if p.default is None and kind not in ("Any", "None") and "None" not in kind:
        kind += " | None"
    return f"{stars}{p.name}: {kind}{default}"


def _result(method: Method) -> str:
    return type_text(method.returns)


def _items(method: Method) -> str:
    returned = method.returns
    inside = typing.get_args(returned) if typing.get_origin(returned) in _STREAMS else ()
    return f"AsyncIterator[{type_text(inside[0] if inside else EMPTY)}]"


def type_text(rule: Any) -> str:
    """A type as it travels: plain data stays, classes become what the wire makes of them."""
    if rule is None:
        return "None"
    origin, args = typing.get_origin(rule) or rule, typing.get_args(rule)
    if origin in (Union, types.UnionType):
        texts = list(dict.fromkeys(map(type_text, args)))
        return "Any" if "Any" in texts else " | ".join(texts)
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin in _MANY:
        return _many(_MANY[origin], args)
    if isinstance(rule, type):
        return _PLAIN.get(rule) or _RESULTS.get(rule.__name__, "Any")
    return "Any"


def _many(kind: str, args: tuple[Any, ...]) -> str:
    inside = [type_text(each) for each in args if each is not Ellipsis]
    if kind == "dict":
        return f"dict[{', '.join(inside)}]" if len(inside) == 2 else "dict[Any, Any]"
    return f"list[{' | '.join(dict.fromkeys(inside)) or 'Any'}]"
