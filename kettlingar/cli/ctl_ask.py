"""status, logs, methods: what only looks."""

from __future__ import annotations

import time

from .ctl_format import printable, table
from .ctl_output import draw, on_terminal, paint, say, say_json, say_lines
from .ctl_status import detail, exit_code, overview

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .brief import Brief
    from .ctl_args import Command

NOT_READY = 3
EVERY = 1 << 20  # lines: all that are looked through
NOT_FOUND = 4
COLOURS = ("36", "32", "33", "35", "34", "96", "92", "95")


def status(control: Brief, command: Command) -> int:
    """What runs. With names: in detail, and the exit code says whether they serve."""
    if not command.options.get("watch"):
        return _status_once(control, command)
    while True:
        if on_terminal():
            say("\x1b[H\x1b[2J" + time.strftime("%H:%M:%S"))
        _status_once(control, command)
        time.sleep(1.0)


def _status_once(control: Brief, command: Command) -> int:
    answer = control.call("status", command.words)
    services = answer["services"]
    if command.options.get("failed"):
        services = [one for one in services if one["state"] in ("failed", "invalid")]
    _show(command, {**answer, "services": services})
    if command.options.get("failed"):
        return NOT_READY if services else 0
    return exit_code(services) if command.words else 0


def _show(command: Command, answer: Mapping[str, Any]) -> None:
    services, form = answer["services"], command.options.get("output")
    if form == "json":
        say_json(answer)
    elif form == "jsonl":
        for service in services:
            say_json(service)
    elif command.words and form != "wide" and not command.options.get("failed"):
        for number, service in enumerate(services):
            lines = detail(service)
            say_lines([*([""] if number else []), paint(lines[0], "1"), *lines[1:]])
    elif on_terminal():
        height = None
        if command.options.get("watch"):
            from shutil import get_terminal_size

            height = get_terminal_size().lines - 2  # the time stands above, the cursor below
        draw(services, wide=form == "wide", height=height)
    else:
        say_lines(overview(services, wide=form == "wide"))


def logs(control: Brief, command: Command) -> int:
    """Lines of logs, each with whose it is, unless there is only one that it can be."""
    from .ctl_follow import SILENCE, followed

    since = command.options.get("since")
    lines = command.options.get("lines", 10 if since is None else EVERY)
    alone = len(command.words) == 1 and "/" in command.words[0]
    follow = bool(command.options.get("follow"))
    marks: dict[str, list[int]] = {}

    def ask() -> Iterator[dict[str, Any]]:
        return control.stream(
            "logs",
            command.words,
            lines=lines,
            follow=follow,
            since=since,
            level=command.options.get("level"),
            **({"after": marks} if follow else {}),
            call_timeout=SILENCE if follow else None,
        )

    for entry in followed(ask) if follow else ask():
        marks.update(entry.pop("marks", {}))
        if mark := entry.pop("mark", None):
            marks[f"{entry['service']}/{entry['instance']}"] = mark
        if entry:
            _show_line(command, entry, alone=alone)
    return 0


def _show_line(command: Command, entry: Mapping[str, Any], *, alone: bool) -> None:
    if command.options.get("output") == "json":
        say_json(entry)
        return
    text = printable(entry["line"])
    say(text if alone else f"{_whose(entry)}  {text}")


def _whose(entry: Mapping[str, Any]) -> str:
    """`blog/2`, in a colour of its own."""
    from binascii import crc32

    name = f"{entry['service']}/{entry['instance']}"
    return paint(name, COLOURS[crc32(name.encode()) % len(COLOURS)])


def methods(control: Brief, command: Command) -> int:
    """What can be called."""
    service, *names = command.words
    records = control.call("methods", service)
    if names:
        records = [record for record in records if record["name"] in names]
        if not records:
            say(f"{service} has no method {names[0]}")
            return NOT_FOUND
    if command.options.get("output") == "json":
        say_json(records)
        return 0
    rows = [["METHOD", "ACCESS", "ARGUMENTS", "RETURNS"]]
    rows += [[one["name"], one["access"], _arguments(one), _returns(one)] for one in records]
    lines = table(rows, [False] * 4, widest=44)
    if command.options.get("docs"):
        lines = _with_docs(lines, records)
    say_lines(lines)
    return 0


def _with_docs(lines: list[str], records: list[dict[str, Any]]) -> list[str]:
    said = [lines[0]]
    for line, record in zip(lines[1:], records, strict=True):
        doc = str(record.get("doc") or "").strip()
        said += [line, *(f"    {printable(part.strip())}" for part in doc.splitlines()), ""]
    return said


def _arguments(record: Mapping[str, Any]) -> str:
    """`metadata, text:bool=`: an equals sign means that it may be left out."""
    return ", ".join(map(_argument, record["arguments"])) or "-"


def _argument(argument: Mapping[str, Any]) -> str:
    stars = {"more": "*", "others": "**"}.get(argument["kind"], "")
    kind = "" if argument["type"] == "any" else f":{argument['type']}"
    optional = "=" if not argument["required"] and not stars else ""
    return f"{stars}{argument['name']}{kind}{optional}"


def _returns(record: Mapping[str, Any]) -> str:
    return "stream" if record["streams"] else record["returns"] or "any"
