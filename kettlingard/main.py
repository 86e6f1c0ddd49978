"""`kettlingard`: the command line.

up       supervise the services of a folder, in the foreground
check    read definitions and say what is wrong with them
unit     print systemd units for it
version
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kettlingar._version import __version__
from kettlingard.core.layout import Layout, home_layout, system_layout, user_layout
from kettlingard.errors import AlreadyRunningError, ListenError, PathError
from kettlingard.host.become import REHEARSAL, taken

from .catalog import Catalog

FAILED, INVALID = 1, 6


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["ctl"]:
        os.execvp(sys.executable, [sys.executable, "-m", "kettlingar", *arguments])  # noqa: S606
    options = _parser().parse_args(arguments)
    command = {"up": up, "check": check, "unit": unit, "version": version}[options.command]
    return command(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kettlingard", description="Keeps services running: one TOML file each."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("up", help="supervise the services of a folder, in the foreground")
    where = one.add_mutually_exclusive_group()
    where.add_argument("--home", metavar="DIR", help="keep everything under one folder")
    where.add_argument("--user", action="store_true", help="use the XDG directories")
    where.add_argument("--system", action="store_true", help="use /run, /var/lib and /etc")
    one.add_argument("--config", metavar="FILE", help="kettlingard.toml")
    one.add_argument("--services", metavar="DIR", action="append", help="definitions; repeatable")
    one.add_argument(
        "--no-adopt", action="store_true", help="end what a killed kettlingard left running first"
    )
    one.add_argument(
        "--exit-on-failure", action="store_true", help="end with its code when a service fails"
    )
    two = commands.add_parser("check", help="say what is wrong with definitions")
    two.add_argument("files", metavar="FILE-OR-DIR", nargs="+")
    three = commands.add_parser("unit", help="print systemd units for it")
    whose = three.add_mutually_exclusive_group()
    whose.add_argument("--system", action="store_true", help="of the machine (the default of root)")
    whose.add_argument("--user", action="store_true", help="of a user")
    three.add_argument("--socket", action="store_true", help="systemd opens the control socket")
    three.add_argument(
        "--fdstore", metavar="N", type=int, default=0, help="systemd keeps up to N descriptors"
    )
    commands.add_parser("version", help="print the version")
    return parser


def version(_options: argparse.Namespace) -> int:
    """Print the version."""
    _say(f"kettlingard {__version__}")
    return 0


def unit(options: argparse.Namespace) -> int:
    """Print what is to be written to systemd's folder."""
    from .unit import Wish, units

    system = options.system or (os.geteuid() == 0 and not options.user)
    program = os.path.abspath(sys.argv[0])
    _say(units(Wish(program, system, socket=options.socket, fdstore=options.fdstore)))
    return 0


def check(options: argparse.Namespace) -> int:
    """Print the problems of definitions; 6 if there are any."""
    folders = [Path(name) for name in options.files]
    found, problems = Catalog([path for path in folders if path.is_dir()]).read()
    for path in folders:
        if not path.is_dir():
            alone = Catalog([path.parent]).read_one(path.name.removesuffix(".toml"))
            if alone is None:
                problems.append(f"{path}: there is no such definition")
            else:
                found[alone.name] = alone
    problems += [str(problem) for one in found.values() for problem in one.problems]
    for text in problems:
        _say(text)
    return INVALID if problems else 0


def up(options: argparse.Namespace) -> int:
    """Supervise until told to stop."""
    layout = _layout(options)
    folders = [Path(name).absolute() for name in options.services or layout.services]
    from .settings import read_settings
    from .up import catalog_of, supervise
    from .upgrade import rehearse

    config = Path(options.config or layout.config).absolute()
    settings = read_settings(config, must_exist=bool(options.config))
    if isinstance(settings, list):
        for problem in settings:
            sys.stderr.write(f"{problem}\n")
        return INVALID
    keys = settings.daemon
    layout = layout.adjusted(control=keys.control_socket, state=keys.state_directory)

    data = taken(REHEARSAL)
    if data is not None:  # a running kettlingard wants to know whether it may become us
        said = rehearse(data, catalog_of(layout, folders, settings))
        _say(said)
        return 0 if said == "ready" else FAILED
    try:
        return supervise(
            layout,
            folders,
            settings,
            adopt=keys.adopt and not options.no_adopt,
            exit_on_failure=options.exit_on_failure,
        )
    except (AlreadyRunningError, ListenError, PathError, OSError) as why:
        sys.stderr.write(f"kettlingard: {why}\n")
        return FAILED


def _layout(options: argparse.Namespace) -> Layout:
    if options.home:
        return home_layout(os.path.abspath(options.home))
    if options.system or (os.geteuid() == 0 and not options.user):
        return system_layout()
    return user_layout(os.environ, os.path.expanduser("~"))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
