"""What is known of a supervisor that does not answer: its state file, and whose processes still live.

It removes the file at an end in order, so there is one only after a crash; its owner alone may read it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .ctl_format import table

STATE_FILE = "state.json"  # beside the control socket
STARTED = 19  # which field after the name of /proc/PID/stat it is


def last_known(sockets: Iterable[str]) -> list[str]:
    """The services of the first one that left a state file; [] if none has, or we may not read it."""
    for path in sockets:
        file = os.path.join(os.path.dirname(path), STATE_FILE)
        try:
            with open(file, encoding="utf-8") as text:
                services = _services(text.read())
            at = time.strftime("%F %T", time.localtime(os.path.getmtime(file)))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        rows = [["SERVICE", "WANTED", "ALIVE", "PIDS"], *_rows(services)]
        return [
            f"its last known state, of {at} ({file}):",
            *table(rows, [False, True, True, False]),
        ]
    return []


def _services(text: str) -> Mapping[str, Any]:
    """The first line has all services, later ones those that have changed; the last may be torn."""
    import json  # only where there is a file: most often there is none

    first, *later = text.splitlines()
    services: dict[str, Any] = dict(json.loads(first)["services"])
    for line in later:
        try:
            services |= json.loads(line)["services"]
        except ValueError:
            break
    return {name: service for name, service in services.items() if service is not None}


def _rows(services: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, service in sorted(services.items()):
        pids = [str(run["pid"]) for run in service.get("runs", {}).values() if _lives(run)]
        wanted = service.get("state", {}).get("wanted", {}).get("instances", 0)
        yield [name, str(wanted), str(len(pids)), ",".join(pids) or "-"]


def _lives(run: Mapping[str, Any]) -> bool:
    """The process is the one that was started, not another one with its number."""
    try:
        with open(f"/proc/{run['pid']}/stat", "rb") as stat:
            fields = stat.read().rpartition(b") ")[2].split()
    except OSError:
        return False
    return fields[0] not in (b"Z", b"X") and int(fields[STARTED]) == run.get("start")
