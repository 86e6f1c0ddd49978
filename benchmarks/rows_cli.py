"""Row 6: what a command costs before and after its work."""

from __future__ import annotations

import os
import pty
import resource
import subprocess
import sys
import time
from collections.abc import Callable

from . import _machine as machine
from ._rounds import Figures, Plan
from .rows_fleet import Fleet, ours, supervisord

# As the installed script has it.
CTL = [
    sys.executable,
    "-c",
    "import sys; from kettlingar.cli.program import main; sys.exit(main())",
]
SERVICES = 10


def timed(command: list[str], *, terminal: bool = False) -> Callable[[], Figures]:
    """Wall and CPU milliseconds of a whole command."""

    def measure() -> Figures:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        if terminal:
            _on_terminal(command)
        else:
            subprocess.run(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
                cwd=machine.ROOT,
            )  # fmt: skip
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"wall": wall * 1e3, "cpu": cpu * 1e3}

    return measure


def _on_terminal(command: list[str]) -> None:
    ours, theirs = pty.openpty()
    try:
        environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, cwd=machine.ROOT
        )
        os.close(theirs)
        try:
            while os.read(ours, 65536):
                pass
        except OSError:
            pass  # its end
        process.wait()
    finally:
        os.close(ours)


def commands(plan: Plan) -> None:
    """`ctl` of ten services, beside the interpreter alone and supervisorctl."""
    fleets = [Fleet(ours, SERVICES)]
    try:
        home = fleets[0].path(0).rpartition("/")[0]
        ctl = [*CTL, "ctl", "--home", home]
        contestants = {
            "python -c pass": timed([sys.executable, "-c", "pass"]),
            "ctl status": timed([*ctl, "status"]),
            "ctl call": timed([*ctl, "call", "s0", "well"]),
            "ctl status, terminal": timed([*ctl, "status"], terminal=True),
        }
        theirs = "supervisorctl status"
        with plan.peer(theirs):
            program = machine.peer_program("supervisorctl")
            fleets.append(Fleet(supervisord, SERVICES))
            conf = fleets[1].path(0).rpartition("/")[0] + "/supervisord.conf"
            contestants[theirs] = timed([program, "-c", conf, "status"])
        for measure in contestants.values():
            measure()  # fills the bytecode cache
        found = plan.in_turn("6", contestants, max(plan.rounds, 7))
    finally:
        for fleet in fleets:
            fleet.close()
    for key, name in (("cpu", "CPU"), ("wall", "wall")):
        found.compare(f"ctl status, {name}", "ms", "ctl status", "python -c pass", key, "<= 2.2")
        found.compare(f"ctl call, {name}", "ms", "ctl call", "python -c pass", key, "<= 2.2")
        found.compare(f"ctl status, {name}", "ms", "ctl status", theirs, key, "<= 0.3")
        found.compare(f"ctl call, {name}", "ms", "ctl call", theirs, key, "<= 0.3")
        found.compare(
            f"ctl status on a terminal, {name}", "ms", "ctl status, terminal", theirs, key, "<= 0.7"
        )
    modules = {
        "import kettlingar": timed([sys.executable, "-c", "import kettlingar"]),
        "import asyncio, msgpack": timed([sys.executable, "-c", "import asyncio, msgpack"]),
    }
    found = plan.in_turn("6, import", modules, max(plan.rounds, 7))
    found.compare(
        "import kettlingar, CPU", "ms", "import kettlingar", "import asyncio, msgpack", "cpu",
        "<= 1.15",
    )  # fmt: skip
