"""`kettlingard`: the command line.

up       supervise the services of a folder, in the foreground
dev      run one service, and a new process of it whenever a source is saved
check    read definitions and say what is wrong with them
schema   print JSON Schema of a definition
unit     print systemd units for it
version
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kettlingar._version import __version__
from kettlingard.core.daemonspec import DaemonSpec
from kettlingard.core.development import PORT
from kettlingard.core.layout import Layout, home_layout, system_layout, user_layout
from kettlingard.errors import AlreadyRunningError, ListenError, PathError
from kettlingard.host.become import REHEARSAL, taken

if TYPE_CHECKING:
    from .front import Front

FAILED, USAGE, INVALID = 1, 2, 6


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["ctl"]:
        os.execvp(sys.executable, [sys.executable, "-m", "kettlingar", *arguments])  # noqa: S606
    options, rest = parser().parse_known_args(arguments)
    if rest and options.command != "dev":
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    options.settings = rest
    return COMMANDS[options.command](options)


def parser() -> argparse.ArgumentParser:
    """The command line, as argparse knows it."""
    whole = argparse.ArgumentParser(
        prog="kettlingard", description="Keeps services running: one TOML file each."
    )
    commands = whole.add_subparsers(dest="command", required=True)
    one = commands.add_parser("up", help="supervise the services of a folder, in the foreground")
    _add_places(one)
    one.add_argument("--services", metavar="DIR", action="append", help="definitions; repeatable")
    one.add_argument(
        "--no-adopt", action="store_true", help="end what a killed kettlingard left running first"
    )
    one.add_argument(
        "--exit-on-failure", action="store_true", help="end with its code when a service fails"
    )
    two = commands.add_parser("check", help="say what is wrong with definitions")
    two.add_argument("files", metavar="FILE-OR-DIR", nargs="*", help="default: all definitions")
    two.add_argument(
        "--import", dest="imports", action="store_true", help="and import their classes"
    )
    two.add_argument("-o", "--output", choices=["text", "json"], default="text")
    _add_places(two)
    commands.add_parser("schema", help="print JSON Schema of a definition, for editors")
    three = commands.add_parser("unit", help="print systemd units for it")
    whose = three.add_mutually_exclusive_group()
    whose.add_argument("--system", action="store_true", help="of the machine (the default of root)")
    whose.add_argument("--user", action="store_true", help="of a user")
    three.add_argument("--socket", action="store_true", help="systemd opens the control socket")
    three.add_argument(
        "--fdstore", metavar="N", type=int, default=0, help="systemd keeps up to N descriptors"
    )
    commands.add_parser("version", help="print the version")
    _add_dev(commands.add_parser("dev", help="run one service, anew whenever a source is saved"))
    return whole


def _add_dev(command: argparse.ArgumentParser) -> None:
    command.usage = "kettlingard dev [-h] MODULE:CLASS [--port N] [--SETTING=VALUE]..."
    command.add_argument("kitten", metavar="MODULE:CLASS", help="looked for in this folder first")
    command.add_argument("--port", metavar="N", type=int, default=PORT, help=f"default: {PORT}")


def _add_places(command: argparse.ArgumentParser) -> None:
    where = command.add_mutually_exclusive_group()
    where.add_argument("--home", metavar="DIR", help="keep everything under one folder")
    where.add_argument("--user", action="store_true", help="use the XDG directories")
    where.add_argument("--system", action="store_true", help="use /run, /var/lib and /etc")
    command.add_argument("--config", metavar="FILE", help="kettlingard.toml")


def version(_options: argparse.Namespace) -> int:
    """Print the version."""
    _say(f"kettlingard {__version__}")
    return 0


def unit(options: argparse.Namespace) -> int:
    """Print what is to be written to systemd's folder."""
    from .unit import Wish, units

    system = options.system or (os.geteuid() == 0 and not options.user)
    program = os.path.abspath(sys.argv[0])
    if os.path.basename(program) == "__main__.py":  # python -m kettlingard
        program = os.path.join(os.path.dirname(sys.executable), "kettlingard")
    _say(units(Wish(program, system, socket=options.socket, fdstore=options.fdstore)))
    return 0


def check(options: argparse.Namespace) -> int:
    """Print the problems of definitions; 6 if there are any."""
    from .checking import check as look

    layout = _layout(options)
    settings = _settings(options, layout)
    if settings is None:
        return INVALID
    paths = [Path(name) for name in options.files or layout.services]
    known = settings.names if Path(settings.file).exists() else None
    found = look(paths, settings.defaults, imports=options.imports, shared=known)
    if options.output == "json":
        _say(json.dumps(found.as_dict()))
    else:
        for problem in found.problems:
            _say(str(problem))
    return INVALID if found.problems else 0


def schema(_options: argparse.Namespace) -> int:
    """Print JSON Schema of a definition."""
    from kettlingard.core.schema import schema as definition

    _say(json.dumps(definition(), indent=2))
    return 0


def _settings(options: argparse.Namespace, layout: Layout) -> DaemonSpec | None:
    """kettlingard.toml; None: it has problems, which are said."""
    from .settings import read_settings

    config = Path(options.config or layout.config).absolute()
    found = read_settings(config, must_exist=bool(options.config))
    if not isinstance(found, list):
        return found
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    return None


def up(options: argparse.Namespace) -> int:
    """Supervise until told to stop."""
    layout = _layout(options)
    folders = [Path(name).absolute() for name in options.services or layout.services]
    settings = _settings(options, layout)
    if settings is None:
        return INVALID
    keys = settings.daemon
    from .front import Front

    return _supervise(
        layout.adjusted(control=keys.control_socket, state=keys.state_directory),
        folders,
        settings,
        adopt=keys.adopt and not options.no_adopt,
        front=Front(),
        exit_on_failure=options.exit_on_failure,
    )


def dev(options: argparse.Namespace) -> int:
    """Run one service, and a new process of it whenever a source is saved."""
    from kettlingard.core import development as of

    from .dev import Dev, home_of

    try:
        of.name_of(options.kitten)
        config = of.settings_of(options.settings)
    except ValueError as why:
        sys.stderr.write(f"kettlingard dev: {why}\n")
        return USAGE
    folder, variables = os.getcwd(), of.passed(os.environ)
    service = of.Service(options.kitten, folder, options.port, config, variables)
    home = home_of(service, user_layout(os.environ, os.path.expanduser("~")).state)
    layout, front = home_layout(str(home)), Dev(service)
    folders, settings = list(map(Path, layout.services)), DaemonSpec(layout.config)
    code = _supervise(layout, folders, settings, adopt=False, front=front)
    return FAILED if front.failed else code


def _supervise(
    layout: Layout,
    folders: Sequence[Path],
    settings: DaemonSpec,
    *,
    adopt: bool,
    front: Front,
    exit_on_failure: bool = False,
) -> int:
    from .continuity.upgrade import rehearse
    from .up import catalog_of, supervise

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
            adopt=adopt,
            exit_on_failure=exit_on_failure,
            front=front,
        )
    except AlreadyRunningError as why:
        sys.stderr.write(f"kettlingard: {front.already(why)}\n")
        return FAILED
    except (ListenError, PathError, OSError) as why:
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


COMMANDS = {
    "up": up, "dev": dev, "check": check, "schema": schema, "unit": unit, "version": version,
}  # fmt: skip
