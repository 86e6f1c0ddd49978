"""An exception -> a status, a body and headers. `errors` has the table, the client reads it back."""

from __future__ import annotations

import traceback
from typing import Any

from kettlingar.errors import (
    ConfigError,
    HttpError,
    NeedInfoException,
    RedirectException,
    Unavailable,
)


def describe(error: Exception, *, authed: bool) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return what a caller is told; a traceback only goes to one with credentials."""
    body: dict[str, Any] = {"error": sendable(str(error)), "type": type(error).__name__}
    if isinstance(error, RedirectException):
        return 302, body, {"Location": error.url}
    if isinstance(error, NeedInfoException):
        body["needed_vars"] = error.needed_vars
        body["resource"] = error.resource
        return 423, body, {}
    if isinstance(error, HttpError):
        return error.status, body, {"Retry-After": "1"} if isinstance(error, Unavailable) else {}
    if isinstance(error, PermissionError):
        return 403, body, {}
    if not authed:
        return 500, {"error": "the service failed; its log says how"}, {}
    body["traceback"] = sendable("".join(traceback.format_exception(error)))
    return 500, body, {}


def in_one_line(error: BaseException) -> str:
    """What went wrong, for a table or a log; of a syntax error also the line that has it."""
    if isinstance(error, SyntaxError) and error.text:
        return f"{type(error).__name__}: {error.msg} ({error.text.strip()})"
    lines = "".join(traceback.format_exception_only(error)).splitlines()
    return "; ".join(line.strip() for line in lines if line.strip())


def in_words(error: BaseException) -> str:
    """What went wrong, for the person who asked for it: what we say ourselves needs no type."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, (ConfigError, OSError)) and str(error):
        return str(error)
    return in_one_line(error)


def without_secret(text: str, secret: str) -> str:
    """An error quotes what was wrong, which may be a token in a wrong place."""
    return text.replace(secret, "(token)") if secret else text


def sendable(text: str) -> str:
    """A text that UTF-8 can carry: an error may name a file whose name is not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
