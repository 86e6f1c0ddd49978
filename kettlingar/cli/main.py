"""The command line of every service: `RPCKitten.Main` leads here.

Exit codes: 0 done, 1 not running or refused, 2 usage or unknown method, 3 bad value, 4 I/O,
5 not allowed, 6 the service failed; 130 after Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from kettlingar.config.schema import normal_name, read_schema
from kettlingar.errors import (
    ConfigError,
    HttpError,
    NeedInfoException,
    NotFound,
    NotRunning,
    RemoteError,
)
from kettlingar.requests.failures import in_words

from . import commands
from .args import Request, UsageError, nearest, parse
from .needs import sentence
from .render import complain

if TYPE_CHECKING:
    from kettlingar.kitten import RPCKitten

OK, NOT_RUNNING, USAGE, BAD_VALUE, IO, NOT_ALLOWED, FAILED = range(7)
INTERRUPTED = 130

_COMMANDS: dict[str, Callable[[Any, Request], Coroutine[Any, Any, None]]] = {
    "start": commands.start,
    "stop": commands.stop,
    "restart": commands.restart,
    "ping": commands.ping,
    "config": commands.config,
    "help": commands.describe,
    "call": commands.call,
}

# The first that an exception is an instance of counts.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (UsageError, USAGE),
    (NotRunning, NOT_RUNNING),
    (PermissionError, NOT_ALLOWED),
    (NeedInfoException, BAD_VALUE),
    (ConfigError, BAD_VALUE),
    (RemoteError, FAILED),
    (ConnectionRefusedError, NOT_RUNNING),
    (OSError, IO),
    (ValueError, BAD_VALUE),
    (KeyError, BAD_VALUE),
)


def main(kitten_class: type[RPCKitten], argv: Sequence[str]) -> int:
    """Do what a command line says; return the exit code."""
    name = kitten_class.Configuration.APP_NAME
    try:
        return _run(kitten_class, argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; Python's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as problem:  # noqa: BLE001  here failures become exit codes
        complain(f"{name}: {_text(problem)}")
        return code_of(problem)


def _run(kitten_class: type[RPCKitten], argv: Sequence[str]) -> int:
    methods = kitten_class.methods
    request = parse(argv, read_schema(kitten_class.Configuration), methods)
    config = kitten_class.Configuration()
    config.configure(request.settings)
    if any(normal_name(word.partition("=")[0]) == "worker_secret" for word in request.settings):
        complain("warning: others can read a secret on a command line; use a worker_config file")
    kitten = kitten_class(config=config)
    if request.command == "serve":
        from kettlingar.process import serve

        return serve(kitten)
    if not request.command:
        asyncio.run(commands.describe(kitten, request))
        return USAGE
    try:
        asyncio.run(_done(kitten, request))
    except (NotRunning, NotFound) as problem:
        unknown = request.command == "call" and not methods.find(request.method, private=True)
        if unknown and (isinstance(problem, NotRunning) or "no such method" in str(problem)):
            raise UsageError(nearest(request.method, methods)) from problem
        raise
    return OK


async def _done(kitten: RPCKitten, request: Request) -> None:
    try:
        await _COMMANDS[request.command](kitten, request)
    finally:
        kitten.disconnect()


def code_of(problem: BaseException) -> int:
    """The exit code for what went wrong."""
    if isinstance(problem, HttpError):
        if problem.status in (429, 503):
            return NOT_RUNNING
        return BAD_VALUE if problem.status < 500 else FAILED
    return next((code for kind, code in _CODES if isinstance(problem, kind)), FAILED)


def _text(problem: BaseException) -> str:
    if isinstance(problem, NeedInfoException):
        return sentence(problem)
    if isinstance(problem, KeyError) and not isinstance(problem, HttpError):
        return str(problem.args[0]) if problem.args else "not found"
    if isinstance(problem, OSError):
        return in_words(problem)
    return str(problem) or type(problem).__name__
