"""A service's command line -> what is asked of it. Pure: nothing is looked up or printed.

Before the command, and after a built-in one, stand flags and settings; after the name of an
API method everything belongs to that method.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kettlingar.api.binding import check
from kettlingar.api.describe import COMMANDS
from kettlingar.api.methods import Method, MethodTable
from kettlingar.config.schema import COMMAND_LINE, Schema, normal_name, unknown_setting
from kettlingar.errors import BadRequest

from .output import Output

_WITHOUT_ARGUMENTS = frozenset({"start", "stop", "restart", "serve"})


class UsageError(ValueError):
    """A command line that means nothing; the text says what to write instead."""


_FLAGS = {
    "-j": "json",
    "--json": "json",
    "-r": "raw",
    "--raw": "raw",
    "-t": "tcp",
    "--tcp": "tcp",
    "-J": "json_rpc",
    "--json-rpc": "json_rpc",
    "-h": "help",
    "--help": "help",
}


@dataclass(slots=True)
class Request:
    """What is asked: `command` is a built-in one, or `call` for the API method `method`."""

    command: str = ""
    method: str = ""
    args: list[str] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)  # texts; lists of them where repeated
    settings: list[str] = field(default_factory=list)  # "--name=value"
    flags: set[str] = field(default_factory=set)

    @property
    def output(self) -> Output:
        """As the flags have it."""
        if "raw" in self.flags:
            return Output.RAW
        return Output.JSON if "json" in self.flags else Output.PLAIN


def parse(argv: Sequence[str], schema: Schema, methods: MethodTable) -> Request:
    """Read a command line; raise UsageError where it means nothing.

    A method that is not in the table may still be one of the running service's.
    """
    request = Request()
    rest = _leading_options(list(argv), request, schema)
    request.command, *rest = rest or ["help" if "help" in request.flags else ""]
    if request.command == "call":
        _call(_leading_options(rest, request, schema), request, methods)
    elif request.command in COMMANDS:
        _built_in(rest, request, schema, methods)
    elif request.command:
        _call([request.command, *rest], request, methods)
    if "help" in request.flags and request.command not in ("", "help"):
        return Request("help", args=[request.method or request.command], flags=request.flags)
    return request


def _leading_options(words: list[str], request: Request, schema: Schema) -> list[str]:
    """Take the options that stand first; return the rest."""
    for place, word in enumerate(words):
        if word == "--":
            return words[place + 1 :]
        if not word.startswith("-") or word == "-":
            return words[place:]
        _option(word, request, schema)
    return []


def _option(word: str, request: Request, schema: Schema) -> None:
    flags = [word] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]
    if all(flag in _FLAGS for flag in flags):
        request.flags |= {_FLAGS[flag] for flag in flags}
    elif not word.startswith("--"):
        raise UsageError(f"{word} is not an option; there are -j, -r, -t, -J and -h")
    elif normal_name(word.partition("=")[0]) in schema:
        request.settings.append(word)
    else:
        name = word.partition("=")[0]
        near = difflib.get_close_matches(name, [f for f in _FLAGS if len(f) > 2], n=1, cutoff=0.7)
        hint = f"{name} is not an option; did you mean {near[0]}?" if near else ""
        raise UsageError(hint or unknown_setting(schema, name, COMMAND_LINE))


def _built_in(words: list[str], request: Request, schema: Schema, methods: MethodTable) -> None:
    # An author's own `start` or `stop` is reached by `call`.
    plain = request.command in _WITHOUT_ARGUMENTS
    method = None if plain else methods.find(request.command, private=True)
    own = {p.name for p in method.parameters} if method else set()
    for word in words:
        name, equals, value = word.partition("=")
        if name.startswith("--") and normal_name(name) in own:
            request.kwargs[normal_name(name)] = value if equals else "yes"
        elif word.startswith("-") and word != "-":
            _option(word, request, schema)
        else:
            request.args.append(word)
    if plain and request.args:
        raise UsageError(f"{request.command} takes no argument {request.args[0]!r}")
    if method is not None and request.command != "help":
        _fits(method, request)


def _call(words: list[str], request: Request, methods: MethodTable) -> None:
    if not words:
        if "help" in request.flags:
            return
        raise UsageError("call which method? Write `call NAME [ARG …]`; `help` lists them")
    request.command, request.method = "call", words[0]
    method = methods.find(request.method, private=True)
    _arguments(words[1:], request)
    if "help" in request.kwargs and not _takes(method, "help"):
        request.flags.add("help")
    elif method is not None:
        _fits(method, request)


def _takes(method: Method | None, name: str) -> bool:
    if method is None or method.var_kwargs is not None:
        return True
    return any(p.name == name for p in method.parameters)


def _arguments(words: list[str], request: Request) -> None:
    for place, word in enumerate(words):
        if word == "--":
            request.args += words[place + 1 :]
            return
        if not word.startswith("--"):
            request.args.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        _add(request.kwargs, name.replace("-", "_"), value if equals else "yes")


def _add(kwargs: dict[str, Any], name: str, value: str) -> None:
    """A name that is repeated has a list of values, as in a query string."""
    if name.startswith("call_"):
        raise UsageError(f"--{name.replace('_', '-')} is for Python callers; leave it out")
    if name not in kwargs:
        kwargs[name] = value
    elif isinstance(kwargs[name], list):
        kwargs[name].append(value)
    else:
        kwargs[name] = [kwargs[name], value]


def _fits(method: Method, request: Request) -> None:
    try:
        check(method, request.args, request.kwargs)
    except BadRequest as problem:
        raise UsageError(str(problem)) from None


def nearest(name: str, methods: MethodTable) -> str:
    """The sentence for a command that nobody knows."""
    near = difflib.get_close_matches(name, [*COMMANDS, *methods.names()], n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "`help` lists what there is"
    return f"there is no command or method {name!r}; {hint}"
