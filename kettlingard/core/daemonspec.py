"""What kettlingard.toml may say: [daemon] is the supervisor's own, [defaults] lies under all services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .hints import hint
from .parse import parse, read_table
from .reading import Problem, Reading, Source, lay_over, load
from .spec import NOT_YET, Change, key_field, keys_of
from .values import BOOL, DURATION, OCTAL, PATH, wrong

DEFAULTS = "defaults"
ALONE = '[service]\nkitten = "any:Kitten"\n'  # what makes [defaults] a definition that can be read


@dataclass(frozen=True, slots=True)
class DaemonKeys:
    """[daemon]: the supervisor itself."""

    control_socket: str = key_field(PATH, "", Change.NEXT, "path of the control socket")
    control_mode: int = key_field(OCTAL, 0o666, Change.LIVE, "its mode; [access] is the gate")
    timeout_stop: float = key_field(DURATION, 60.0, Change.LIVE, "for all services together")
    state_directory: str = key_field(PATH, "", Change.NEXT, "where services keep their things")
    allow_root: bool = key_field(BOOL, False, Change.NEXT, "with --system, services may be root's")
    adopt: bool = key_field(BOOL, True, Change.NEXT, "go on with what a killed supervisor left")


@dataclass(frozen=True, slots=True)
class DaemonSpec:
    """kettlingard.toml; without a file, everything as it is by itself."""

    file: str = ""
    daemon: DaemonKeys = DaemonKeys()
    defaults: Source | None = None


def parse_daemon(source: Source) -> DaemonSpec | list[Problem]:
    """Read kettlingard.toml, or say all that is wrong with it."""
    reading = Reading(source.file)
    data: dict[str, Any] = {}
    lay_over(data, load(source, reading), source, reading)
    if reading.problems:
        return reading.problems
    known = [f"daemon.{name}" for name in keys_of(DaemonKeys)]
    for name, value in data.items():
        if name == "listen":
            reading.problem((name,), NOT_YET, value)
        elif name not in {"daemon", DEFAULTS}:
            advice = hint(name, "", [*known, "daemon", DEFAULTS])
            reading.problem((name,), "unknown key", None, advice)
        elif not isinstance(value, dict):
            reading.problem((name,), str(wrong(value, f"a table: write [{name}]")), value)
    keys = read_table(DaemonKeys, data.get("daemon", {}), ("daemon",), reading, known)
    defaults = Source(source.file, source.text, DEFAULTS) if data.get(DEFAULTS) else None
    found = reading.problems + (_wrong_defaults(defaults) if defaults is not None else [])
    if found:
        return sorted(found, key=lambda problem: problem.line)
    return DaemonSpec(source.file, keys, defaults)


def _wrong_defaults(defaults: Source) -> list[Problem]:
    found = parse(DEFAULTS, [defaults, Source(defaults.file, ALONE)])
    return found if isinstance(found, list) else []
