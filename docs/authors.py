"""The page of the reference for who writes services and calls them, made from docstrings and signatures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from kettlingar import RequestInfo, RPCKitten, asynctools, errors
from kettlingar.api.describe import signature
from kettlingar.calls.client import Client
from kettlingar.metrics import MetricsKitten
from kettlingar.request import HttpResult

CALLING = ["connect", "call", "disconnect", "loopback", "sync_proxy"]
KNOWN = ["api_url", "api_addr", "api_secret"]
FOR_METHODS = ["fds_result", "sse_start_result", "expose_methods",
               "info", "debug", "trace", "warning", "error", "exception"]  # fmt: skip
HOOKS = ["init_servers", "shutdown", "validate_request_header", "get_api_methods", "get_method_name",
         "get_default_methods", "guarantee_type", "to_json", "from_json", "to_msgpack", "from_msgpack",
         "get_docstring", "print_result"]  # fmt: skip
HELPERS = ["create_background_task", "await_success", "FileWriter", "SyncProxy"]
ERRORS = ["HttpError", "BadRequest", "NotFound", "Conflict", "TooManyRequests", "Unavailable",
          "NeedInfoException", "RedirectException", "NotRunning", "RemoteError", "ConfigError"]  # fmt: skip


def author(made: str) -> str:
    """All that an author overrides, uses, and is given."""
    return "\n".join(
        [
            "# For authors of services, and of what calls them",
            made,
            "How these are used: [writing a service](../guides/services.md), [calling one](../guides/clients.md).",
            "[Settings](settings.md) has what can be configured.",
            "",
            "## Calling a service",
            "",
            *_members(RPCKitten, CALLING),
            *_members(RPCKitten, KNOWN),
            "",
            "The options of each call:",
            "",
            f"    {_code('call', Client.call)}",
            "",
            *_indented(_doc(Client.call)),
            "",
            "## For methods to use",
            "",
            *_members(RPCKitten, FOR_METHODS),
            "",
            "## Hooks",
            "",
            "What may be overridden. No override costs nothing.",
            "",
            *_members(RPCKitten, HOOKS),
            "- `async on_config_KEY(self)`: the setting `key` was changed while the service runs.",
            *_members(MetricsKitten, ["metrics_http_request"]),
            "",
            "## Methods of every service",
            "",
            *(_method(method) for method in RPCKitten.methods),
            "",
            "## RequestInfo",
            "",
            _doc(RequestInfo),
            "",
            *_members(RequestInfo, [n for n in vars(RequestInfo) if _is_public(RequestInfo, n)]),
            "",
            "## HttpResult",
            "",
            f"    {_code('HttpResult', HttpResult.__init__)}",
            "",
            _doc(HttpResult),
            "",
            "## Errors",
            "",
            *(f"- `{n}{_bases(getattr(errors, n))}`: {_first(getattr(errors, n))}" for n in ERRORS),
            "",
            "## kettlingar.asynctools",
            "",
            *_members(asynctools, HELPERS),
            "",
        ]
    )


def _members(owner: Any, names: Iterable[str]) -> list[str]:
    return [_member(inspect.getattr_static(owner, name), name) for name in names]


def _member(thing: Any, name: str) -> str:
    thing = getattr(thing, "__func__", thing)
    if isinstance(thing, property):
        return f"- `{name}`: {_in_line(_doc(thing))}"
    code = _code(name, thing.__init__ if inspect.isclass(thing) else thing)
    return f"- `{code}`: {_in_line(_doc(thing))}"


def _code(name: str, function: Any) -> str:
    told = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))
    told = re.sub(r"<class '(\w+)'>", r"\1", told)
    told = re.sub(r" -> None$", "", re.sub(r"\(self(?:, )?(?:/, )?", "(", told))
    return f"{'async ' if inspect.iscoroutinefunction(function) else ''}{name}{told}"


def _method(method: Any) -> str:
    access = "" if not method.public else " (public)"
    return f"- `{signature(method)}`{access}: {_in_line(method.doc)}"


def _bases(error: type) -> str:
    names = [base.__name__ for base in error.__mro__[1:-3] if not base.__name__.startswith("_")]
    return f"({', '.join(names)})" if names else ""


def _first(thing: Any) -> str:
    return _doc(thing).partition("\n\n")[0].replace("\n", " ")


def _is_public(owner: Any, name: str) -> bool:
    thing = inspect.getattr_static(owner, name)
    return not name.startswith("_") and (isinstance(thing, property) or inspect.isfunction(thing))


def _doc(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def _indented(text: str) -> list[str]:
    return text.splitlines()


def _in_line(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split())
