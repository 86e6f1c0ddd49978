"""start, stop, restart, wait, daemon: what changes something, and waits for it."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .ctl_args import Command, UsageError
from .ctl_format import duration, formatted, printable
from .ctl_output import complain, say, say_json, say_lines
from .ctl_plan import planned
from .ctl_status import SERVES, detail

if TYPE_CHECKING:
    from .brief import Brief

FAILED, NOT_READY, INVALID, TIMED_OUT = 1, 3, 6, 8
SLACK = 10.0  # seconds beyond a deadline that the supervisor itself watches
HOUR = 3600.0  # seconds between two words of progress; definitions may allow for much
WAIT = 60.0  # seconds that `wait` waits where nothing is said
UPGRADE = 45.0  # seconds for a rehearsal and all else
SWITCHES = ("allow_api_break", "now", "force", "with_dependents", "prune")
SHUTDOWN = 90.0  # seconds that `daemon shutdown` waits for the end


def change(control: Brief, command: Command) -> int:
    """start, stop, restart: show the progress, and why it came to nothing where it did."""
    services = command.words or _all_services(control)
    return _ask(control, command, services, services)


def _ask(control: Brief, command: Command, asked: object, services: Sequence[str]) -> int:
    """Ask for a change of `services` and show what comes of it."""
    options = command.options
    last: Mapping[str, Any] = {}
    refused = False
    switches = {name: True for name in SWITCHES if options.get(name)}
    if options.get("no_deps"):
        switches["deps"] = False
    for item in control.stream(
        command.verb,
        asked,
        wait=not options.get("no_wait"),
        timeout=options.get("timeout"),
        call_timeout=options.get("timeout", HOUR) + SLACK,
        **switches,
    ):
        last = item
        refused = refused or bool(item.get("refused"))
        if (text := formatted(item)) is not None:
            say(printable(text))
    if last.get("ok"):
        return 0
    if refused:
        return INVALID
    if command.verb != "stop" and services:
        _explain(control, services)
    if last.get("timed_out"):
        complain(f"kettlingar ctl {command.verb}: not done in time; see kettlingar ctl status")
        return TIMED_OUT
    return FAILED


def scale(control: Brief, command: Command) -> int:
    """SERVICE=N..., all at once."""
    wanted: dict[str, int] = {}
    for word in command.words:
        name, equals, number = word.partition("=")
        if not equals or not number.isdecimal():
            raise UsageError(f"kettlingar ctl scale: {word!r} is not SERVICE=N")
        wanted[name] = int(number)
    return _ask(control, command, wanted, list(wanted))


def apply(control: Brief, command: Command) -> int:
    """All definitions, or those of the named services."""
    return _ask(control, command, command.words, command.words)


def rollback(control: Brief, command: Command) -> int:
    """One service."""
    return _ask(control, command, command.words[0], command.words)


def reload(control: Brief, command: Command) -> int:
    """One service; it is done when this returns."""
    refused = False
    for item in control.stream("reload", command.words[0]):
        refused = refused or bool(item.get("refused"))
        if (text := formatted(item)) is not None:
            say(printable(text))
    return INVALID if refused else 0


def plan(control: Brief, command: Command) -> int:
    """What apply would do."""
    answer = control.call("plan", command.words)
    steps = [step for step in answer["steps"] if step["mark"] != "="]
    if command.options.get("output") == "json":
        say_json(answer)
    else:
        say_lines(planned(steps) or ["nothing to do: what runs is as its definitions say"])
        for problem in answer["problems"]:
            complain(f"! {problem}")
    bad = answer["problems"] or any(step["problems"] for step in steps)
    return INVALID if bad else 0


def enable(control: Brief, command: Command) -> int:
    """enable and disable, with --now also start and stop."""
    services = command.words or _all_services(control)
    control.call(command.verb, services)
    if not command.options.get("now"):
        return 0
    verb = "start" if command.verb == "enable" else "stop"
    return _ask(control, Command(verb, services, {}, {}), services, services)


def kill(control: Brief, command: Command) -> int:
    """Send a signal, and say to whom."""
    pids = control.call("kill", command.words, signal=command.options.get("signal", "SIGTERM"))
    say(f"sent to {', '.join(map(str, pids))}" if pids else "nothing runs there")
    return 0 if pids else FAILED


def reset_failed(control: Brief, command: Command) -> int:
    """Say which are tried again."""
    names = control.call("reset_failed", command.words)
    say(f"tried again: {', '.join(names)}" if names else "nothing has failed")
    return 0


def _all_services(control: Brief) -> list[str]:
    return [service["name"] for service in control.call("status")["services"]]


def _explain(control: Brief, services: Sequence[str]) -> None:
    """What `status` says of those that do not serve: the error's own line, the last of the log."""
    names = sorted({name.partition("/")[0] for name in services})
    for service in control.call("status", names)["services"]:
        if service["state"] not in SERVES:
            complain("\n".join(detail(service)))


def wait(control: Brief, command: Command) -> int:
    """Wait for a state; 8 if it does not come in time, 3 if it cannot come."""
    service = command.words[0]
    state = command.options.get("for", "ready")
    timeout = command.options.get("timeout", WAIT)
    answer = control.call(
        "wait", service, for_=state, timeout=timeout, call_timeout=timeout + SLACK
    )
    if answer["ok"]:
        return 0
    if state == "ready":
        _explain(control, [service])
    if answer.get("timed_out"):
        complain(f"{service} is not {state} after {timeout:g} s")
        return TIMED_OUT
    return NOT_READY


def daemon(control: Brief, command: Command) -> int:
    """The supervisor's own state, or its end."""
    record = control.call("status")["daemon"]
    if command.words[0] == "shutdown":
        return _shutdown(control, record["pid"])
    if command.words[0] == "upgrade":
        return _upgrade(control)
    if command.words[0] == "reload-config":
        return _reload_config(control)
    if command.options.get("output") == "json":
        say_json(record)
        return 0
    say(f"kettlingard {record['version']}  pid {record['pid']}  up {duration(record['uptime'])}")
    for key in ("state", "home", "socket"):
        if record.get(key):
            say(f"  {key:8} {record[key]}")
    if record.get("zygotes"):
        say(f"  zygotes  pid {', '.join(map(str, record['zygotes']))}")
    return 0


def _reload_config(control: Brief) -> int:
    """Have it read kettlingard.toml again."""
    said = control.call("daemon_reload_config")
    say_lines(map(printable, said["changes"]))
    for problem in said["problems"]:
        complain(f"! {printable(problem)}")
    return INVALID if said["problems"] else 0


def _upgrade(control: Brief) -> int:
    """Have it become the program that is on disk; wait until the new one answers."""
    count = control.call("daemon_upgrade", call_timeout=UPGRADE)["upgrades"]
    deadline = time.monotonic() + UPGRADE
    while time.monotonic() < deadline:
        try:
            record = control.call("status")["daemon"]
        except OSError:  # the question was lost with the old one
            record = {}
        if record.get("upgrades") == count:
            say(f"upgraded: kettlingard {record['version']}, pid {record['pid']} as before")
            return 0
        time.sleep(0.02)
    complain("kettlingard has not come back as its next version; see its log")
    return FAILED


def _shutdown(control: Brief, pid: int) -> int:
    """Ask it to end, and wait until its process has."""
    watch = os.pidfd_open(pid)
    try:
        control.call("daemon_shutdown")
        ended, _, _ = select.select([watch], [], [], SHUTDOWN)
    finally:
        os.close(watch)
    if ended:
        return 0
    complain(f"kettlingard (pid {pid}) has not ended after {duration(SHUTDOWN)}; see its log")
    return TIMED_OUT
