"""show, events, deps, sockets, stack, top, metrics, token, exec: what looks closer."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

from kettlingar.errors import NotFound

from .ctl_args import Command, UsageError
from .ctl_follow import SILENCE, followed
from .ctl_format import formatted, printable
from .ctl_output import complain, on_terminal, paint, say, say_json, say_lines
from .ctl_trees import busiest, critical_chain, definition, forest, socket_rows, tree

if TYPE_CHECKING:
    from .brief import Brief

EACH = 1.0  # seconds between two drawings of `top`
NOT_RUN = 127  # as a shell says it


def show(control: Brief, command: Command) -> int:
    """The definition as it counts."""
    env = bool(command.options.get("env"))
    said = control.call("show", command.words[0], env=env)
    if command.options.get("output") == "json":
        say_json(said)
        return 0
    if env:
        say_lines(printable(f"{name}={value}") for name, value in sorted(said["env"].items()))
    else:
        say_lines(definition(said, origin=bool(command.options.get("origin"))))
    for problem in said["problems"]:
        complain(f"! {printable(problem)}")
    return 0


def events(control: Brief, command: Command) -> int:
    """What happened, and with -f what happens."""
    follow = bool(command.options.get("follow"))
    known: dict[str, int] = {}

    def ask() -> Iterator[dict[str, Any]]:
        more = {"after": known} if known else {}
        silence = SILENCE if follow else None
        return control.stream("events", command.words, follow=follow, **more, call_timeout=silence)

    for item in followed(ask) if follow else ask():
        known[item["service"]] = item["number"]
        if command.options.get("output") == "json":
            say_json({key: value for key, value in item.items() if key not in {"_format", "text"}})
        elif (text := formatted(item)) is not None:
            say(printable(text))
    return 0


def deps(control: Brief, command: Command) -> int:
    """Trees of needs, or the chain that a start had to wait for."""
    records = control.call("deps", command.words)
    options = command.options
    if options.get("output") == "json":
        say_json([one for one in records if not command.words or one["name"] in command.words])
    elif options.get("critical_chain"):
        if not command.words:
            raise UsageError("kettlingar ctl deps --critical-chain: name the service")
        say_lines(critical_chain(records, command.words[0]))
    elif command.words:
        say_lines(tree(records, command.words[0], reverse=bool(options.get("reverse"))))
    else:
        say_lines(forest(records, reverse=bool(options.get("reverse"))))
    return 0


def sockets(control: Brief, command: Command) -> int:
    """Listeners and counts."""
    records = control.call("sockets", command.words)
    if command.options.get("output") == "json":
        say_json(records)
    else:
        say_lines(map(printable, socket_rows(records)))
    return 0


def stack(control: Brief, command: Command) -> int:
    """What the processes are doing."""
    for item in control.stream("stack", command.words[0]):
        say(paint(f"{item['service']}/{item['instance']}  pid {item['pid']}", "1"))
        say_lines(printable(line) for line in item["stack"].splitlines())
    return 0


def top(control: Brief, command: Command) -> int:
    """All instances, again and again."""
    rounds = command.options.get("rounds")
    for number in count(1):
        lines = busiest(control.call("status", command.words)["services"])
        if on_terminal():
            height = shutil.get_terminal_size().lines - 2
            say("\x1b[H\x1b[2J" + time.strftime("%H:%M:%S"))
            lines = lines[:height]
        say_lines(lines)
        if number == rounds:
            break
        time.sleep(EACH)
    return 0


def metrics(control: Brief, command: Command) -> int:
    """One OpenMetrics page."""
    said = control.call("metrics", command.words)
    text = said["data"] if isinstance(said, dict) else said
    say((text.decode() if isinstance(text, bytes) else text).rstrip("\n"))
    return 0


def token(control: Brief, command: Command) -> int:
    """The secret, a new one, or none."""
    service, what = command.words
    said = control.call("token", service, what)
    if command.options.get("output") == "json":
        say_json(said)
    elif what != "revoke":
        say_lines(said["urls"] or [said["token"]])
    return 0


def _become(uid: int, gid: int, groups: list[int]) -> None:
    """Have the rights of the service's user, and no others."""
    if os.geteuid() == uid and os.getegid() == gid:
        return
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def execute(control: Brief, command: Command) -> int:
    """Become a command that has what the service's processes have."""
    service, *argv = command.words
    said: dict[str, Any] = control.call("exec", service)
    try:
        os.makedirs(said["cwd"], exist_ok=True)
        os.chdir(said["cwd"])
        os.umask(said["umask"])
        if said["ids"] is not None:
            _become(*said["ids"])
        os.execvpe(argv[0], argv, said["env"])  # noqa: S606  what was asked for
    except OSError as why:
        if isinstance(why, FileNotFoundError):
            raise NotFound(
                f"cannot run {argv[0]}: {why.strerror} in its PATH or {said['cwd']}"
            ) from why
        complain(f"cannot run {argv[0]}: {why.strerror}")
    return NOT_RUN
