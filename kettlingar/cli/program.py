"""The program `kettlingar`: `run`, `ctl`, `version`. What each needs is imported when it is asked."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USAGE = """\
Usage: kettlingar ctl COMMAND …        ask the supervisor: status, start, stop, logs, call, …
       kettlingar run MODULE:CLASS     be the worker of a supervisor (kettlingard calls this)
       kettlingar new NAME             begin a service: module, test and definition
       kettlingar stub MODULE:CLASS    print a typed stub of the service's client
       kettlingar completion SHELL     print what bash, zsh or fish needs to complete words
       kettlingar version              say which version this is

A service is started by its own command line: python3 -m its.module help
"""


def _ctl(args: list[str]) -> int:
    from kettlingar.cli.ctl import main as ctl

    return ctl(args)


def _run(args: list[str]) -> int:
    gc.disable()  # there is nothing to be found while modules are imported
    from kettlingar.worker.supervised import run

    gc.enable()
    return run()


def _zygote(args: list[str]) -> int:
    from kettlingar.worker.zygote import main as zygote

    return zygote()


def _launch(args: list[str]) -> int:
    """What `start` of a service becomes in its own process; the orders are on standard input."""
    from kettlingar.launch import main as launch

    return launch()


def _new(args: list[str]) -> int:
    from kettlingar.cli.new import main as new

    return new(args)


def _stub(args: list[str]) -> int:
    from kettlingar.cli.stub import main as stub

    return stub(args)


def _complete(args: list[str]) -> int:
    """What shells ask at each TAB."""
    from kettlingar.cli.complete import main as complete

    return complete(args)


def _completion(args: list[str]) -> int:
    from kettlingar.cli.complete import completion

    return completion(args)


def _version(args: list[str]) -> int:
    from kettlingar._version import __version__

    sys.stdout.write(f"kettlingar {__version__}\n")
    return 0


def _help(args: list[str]) -> int:
    sys.stdout.write(USAGE)
    return 0


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "ctl": _ctl,
    "run": _run,
    "zygote": _zygote,
    "launch": _launch,
    "new": _new,
    "stub": _stub,
    "complete": _complete,
    "completion": _completion,
    "version": _version,
    "--version": _version,
    "help": _help,
    "--help": _help,
    "-h": _help,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    command, *args = list(sys.argv[1:] if argv is None else argv) or [""]
    found = _COMMANDS.get(command)
    if found is None:
        problem = f"kettlingar: there is no command {command!r}\n" if command else ""
        sys.stderr.write(f"{problem}{USAGE}")
        return 2
    try:
        return found(args)
    except KeyboardInterrupt:
        return 130
