"""`kettlingar ctl`: asks the supervisor, over its control socket, like any client.

One function per command, in ctl_ask, ctl_look, ctl_life and ctl_call. This file finds the
supervisor, and turns what goes wrong into a sentence and an exit code:

    0 done         3 not ready or stopped        6 invalid definition
    1 failed       4 no such service or method   7 no supervisor
    2 usage        5 not allowed                 8 timed out

Nothing here imports an event loop; the terminal's library only to draw.
"""

from __future__ import annotations

import os
import sys

from kettlingar.errors import (
    BadRequest,
    ConfigError,
    HttpError,
    NeedInfoException,
    NotFound,
    NotRunning,
    RedirectException,
    Unavailable,
)

from .brief import Brief, connect
from .ctl_args import Command, UsageError, help_text, parse
from .ctl_find import candidates, nobody_answers
from .ctl_output import complain, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Sequence

# Each command's module, and its function: imported when it is asked for, and no other.
COMMANDS: dict[str, tuple[str, str]] = {
    "status": ("ctl_ask", "status"),
    "logs": ("ctl_ask", "logs"),
    "methods": ("ctl_ask", "methods"),
    "start": ("ctl_life", "change"),
    "stop": ("ctl_life", "change"),
    "restart": ("ctl_life", "change"),
    "reload": ("ctl_life", "reload"),
    "plan": ("ctl_life", "plan"),
    "apply": ("ctl_life", "apply"),
    "scale": ("ctl_life", "scale"),
    "enable": ("ctl_life", "enable"),
    "disable": ("ctl_life", "enable"),
    "rollback": ("ctl_life", "rollback"),
    "kill": ("ctl_life", "kill"),
    "reset-failed": ("ctl_life", "reset_failed"),
    "show": ("ctl_look", "show"),
    "events": ("ctl_look", "events"),
    "deps": ("ctl_look", "deps"),
    "sockets": ("ctl_look", "sockets"),
    "stack": ("ctl_look", "stack"),
    "top": ("ctl_look", "top"),
    "metrics": ("ctl_look", "metrics"),
    "token": ("ctl_look", "token"),
    "exec": ("ctl_look", "execute"),
    "wait": ("ctl_life", "wait"),
    "daemon": ("ctl_life", "daemon"),
    "call": ("ctl_call", "call"),
}
ANSWER = 10.0  # seconds that the supervisor may take for what it can say at once
ENDLESS = ("follow", "watch")  # options that only Ctrl-C ends

# The first that fits; an exception that is none of these is a defect, and shows itself.
EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (UsageError, 2),
    (NotFound, 4),
    (BadRequest, 2),
    (ConfigError, 6),
    (Unavailable, 3),
    (NotRunning, 7),
    (TimeoutError, 8),
    (PermissionError, 5),
    (HttpError, 1),
    (NeedInfoException, 1),
    (RedirectException, 1),
    (RuntimeError, 1),  # RemoteError: the service failed
    (OSError, 1),
)
EXPECTED = tuple(kind for kind, _ in EXIT_CODES)


def main(argv: Sequence[str]) -> int:
    """Do what the words after `kettlingar ctl` say; return the exit code."""
    try:
        command = parse(argv)
        if command.verb == "help" or command.options.get("help"):
            name = command.verb if command.verb != "help" else "".join(command.words[:1])
            say(help_text(name))
            return 0
        return _run(command)
    except BrokenPipeError:
        # Whoever read our output has had enough; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EXPECTED as error:
        complain(_sentence(error))
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def _run(command: Command) -> int:
    try:
        return _ask(command)
    except NotRunning:
        if command.verb == "status" and "json" not in command.options.get("output", ""):
            from .ctl_gone import last_known

            for line in last_known(_candidates(command)):
                say(line)
        raise
    except KeyboardInterrupt:
        return 0 if any(command.options.get(option) for option in ENDLESS) else 130


def _ask(command: Command) -> int:
    with control_of(command) as control:
        try:
            return _function_of(command.verb)(control, command)
        except OSError:
            # Its socket outlives a killed supervisor by a moment, in which one can still connect.
            control.check()
            raise


def _function_of(verb: str) -> Callable[[Brief, Command], int]:
    module, name = COMMANDS[verb]
    # importlib would be one module more on the way of each command
    found = __import__(f"{__package__}.{module}", fromlist=[name])
    function: Callable[[Brief, Command], int] = getattr(found, name)
    return function


def _sentence(error: BaseException) -> str:
    if isinstance(error, NeedInfoException):
        from .needs import sentence

        return sentence(error)
    return str(error) or type(error).__name__


def control_of(command: Command) -> Brief:
    """A client of the first supervisor that answers. Raises NotRunning with all that was tried."""
    path, sock = _first_that_answers(_candidates(command))
    return Brief(sock, lambda: _first_that_answers([path])[1])


def _candidates(command: Command) -> list[str]:
    options = command.options
    return candidates(
        socket=options.get("socket"),
        home=options.get("home"),
        environ=os.environ,
        exists=os.path.exists,
    )


def _first_that_answers(paths: Sequence[str]) -> tuple[str, socket]:
    tried: list[tuple[str, str]] = []
    denied = False
    for path in paths:
        try:
            return path, connect(path, ANSWER)
        except OSError as error:
            denied = denied or isinstance(error, PermissionError)
            tried.append((path, error.strerror or str(error)))
    said = nobody_answers(tried)
    raise PermissionError(said) if denied else NotRunning(said)
