"""Methods described for people and for other programs: signatures, records, help."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from inspect import Parameter as Kind
from typing import Any
from uuid import UUID

from .convert import type_name
from .methods import EMPTY, Method, Parameter

# The built-in commands of every service's command line, and what they do.
COMMANDS = {
    "start": "Start the service, unless it runs already",
    "stop": "Stop the service",
    "restart": "Stop the service, if it runs, and start it",
    "serve": "Run the service in the foreground",
    "ping": "Check whether the service is running",
    "help": "Show this, or `help COMMAND` for one command",
    "config": "Show the configuration",
    "call": "Call a method by name: `call NAME [ARG …]`",
}

_KINDS = {
    Kind.POSITIONAL_ONLY: "positional",
    Kind.POSITIONAL_OR_KEYWORD: "any",
    Kind.KEYWORD_ONLY: "keyword",
    Kind.VAR_POSITIONAL: "more",
    Kind.VAR_KEYWORD: "others",
}


def arguments(method: Method) -> list[Parameter]:
    """All that a caller may give, in the order of the signature."""
    plain = [p for p in method.parameters if p.kind is not Kind.KEYWORD_ONLY]
    named = [p for p in method.parameters if p.kind is Kind.KEYWORD_ONLY]
    more = [method.var_args] if method.var_args else []
    others = [method.var_kwargs] if method.var_kwargs else []
    return [*plain, *more, *named, *others]


def signature(method: Method) -> str:
    """The call as Python writes it, without self and the request: `purr(count: int = 1)`."""
    parts = [_argument(p) for p in arguments(method)]
    first_named = next(
        (i for i, p in enumerate(arguments(method)) if p.kind is Kind.KEYWORD_ONLY), None
    )
    if first_named is not None and not method.var_args:
        parts.insert(first_named, "*")
    returns = "" if method.returns is EMPTY else f" -> {type_name(method.returns)}"
    return f"{method.name}({', '.join(parts)}){returns}"


def method_record(method: Method, docs: bool = False) -> dict[str, Any]:
    """A method as plain data, as it is told to clients and to the supervisor."""
    record = {**_record(method), "arguments": [dict(one) for one in _record(method)["arguments"]]}
    return {**record, "doc": method.doc} if docs else record


@lru_cache(maxsize=128)
def _record(method: Method) -> dict[str, Any]:
    return {
        "name": method.name,
        "access": "public" if method.public else "private",
        "raw": method.raw,
        "streams": method.streams,
        "arguments": [_argument_record(p) for p in arguments(method)],
        "returns": "" if method.returns is EMPTY else type_name(method.returns),
    }


def help_overview(kitten_doc: str, methods: Iterable[Method], program: str) -> str:
    """What `help` prints: the service, the commands, the methods, one line each."""
    rows = {m.name: (usage(m), _first_line(m.doc)) for m in one_each(methods)}
    api = [row for name, row in rows.items() if name not in COMMANDS]
    commands = list(COMMANDS.items())
    width = min(34, max(len(left) for left, _ in [*commands, *api]))
    lines = [kitten_doc.strip(), ""] if kitten_doc.strip() else []
    lines += [
        f"Usage: {program} [--config-name=value …] [-j|-r|-t|-J] COMMAND [ARG …] [--name=value …]"
    ]
    lines += ["", "Commands:", *(_row(*row, width) for row in commands)]
    if api:
        lines += ["", "Methods:", *(_row(*row, width) for row in api)]
    lines += [
        "",
        "Options: -j, --json: print JSON    -r, --raw: print bytes as they come",
        "         -t, --tcp: call by TCP    -J, --json-rpc: send and ask for JSON",
    ]
    return "\n".join(lines) + "\n"


def help_method(method: Method, program: str) -> str:
    """What `help NAME` prints."""
    call = "call " if method.name in COMMANDS and method.name not in _ALSO_METHODS else ""
    access = "public: needs no credentials" if method.public else "private: needs credentials"
    streams = "; streams its results" if method.streams else ""
    lines = [f"Usage: {program} {call}{usage(method)}", "", method.doc or "(no description)", ""]
    rows = [(_option(p), _meaning(p)) for p in arguments(method)]
    if rows:
        width = max(len(left) for left, _ in rows)
        lines += ["Arguments:", *(_row(*row, width) for row in rows), ""]
    return "\n".join([*lines, f"{signature(method)}", f"({access}{streams})"]) + "\n"


def usage(method: Method) -> str:
    """The call as a command line has it: `purr [COUNT] [--purr=…]`."""
    return " ".join([method.name, *(_usage(p) for p in arguments(method))])


_ALSO_METHODS = ("ping", "help", "config")


def _usage(p: Parameter) -> str:
    if p.kind is Kind.VAR_POSITIONAL:
        return f"[{p.name.upper()} …]"
    if p.kind is Kind.VAR_KEYWORD:
        return "[--NAME=VALUE …]"
    text = _option(p) + "=…" if p.kind is Kind.KEYWORD_ONLY else p.name.upper()
    return text if p.default is EMPTY else f"[{text}]"


def _option(p: Parameter) -> str:
    if p.kind is Kind.VAR_POSITIONAL:
        return f"{p.name.upper()} …"
    if p.kind is Kind.VAR_KEYWORD:
        return "--NAME"
    return p.name.upper() if p.kind is Kind.POSITIONAL_ONLY else f"--{p.name.replace('_', '-')}"


def _meaning(p: Parameter) -> str:
    kind = "any value" if p.annotation is EMPTY else type_name(p.annotation)
    if p.kind in (Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD):
        return f"{kind}, any number"
    return f"{kind}, required" if p.default is EMPTY else f"{kind}, default {p.default!r}"


def _argument(p: Parameter) -> str:
    stars = {Kind.VAR_POSITIONAL: "*", Kind.VAR_KEYWORD: "**"}.get(p.kind, "")
    typed = p.annotation is not EMPTY
    text = f"{stars}{p.name}" + (f": {type_name(p.annotation)}" if typed else "")
    if p.default is EMPTY:
        return text
    return f"{text} = {p.default!r}" if typed else f"{text}={p.default!r}"


def _argument_record(p: Parameter) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": p.name,
        "type": "any" if p.annotation is EMPTY else type_name(p.annotation),
        "required": p.default is EMPTY and p.kind not in (Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD),
        "kind": _KINDS[p.kind],
    }
    if p.default is not EMPTY:
        record["default"] = plain_default(p.default)
    return record


def plain_default(value: Any) -> Any:
    """A default as JSON and msgpack can carry it."""
    if isinstance(value, Enum):
        return plain_default(value.value)
    if isinstance(value, (list, tuple)):
        return [plain_default(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain_default(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (UUID, Decimal, date, time)) or hasattr(value, "__fspath__"):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def one_each(methods: Iterable[Method]) -> list[Method]:
    """Of a private and a public method of one name, the private one."""
    found: dict[str, Method] = {}
    for method in methods:
        if method.name not in found or not method.public:
            found[method.name] = method
    return [found[name] for name in sorted(found)]


def _first_line(doc: str) -> str:
    return doc.strip().partition("\n")[0]


def _row(left: str, right: str, width: int) -> str:
    if len(left) > width:
        return f"  {left}\n  {'':{width}}  {right}".rstrip()
    return f"  {left:{width}}  {right}".rstrip()
