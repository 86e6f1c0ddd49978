"""What kettlingard.toml may say: [daemon] is the supervisor's own, [defaults] lies under all services,
[[listen]] is what services share by their routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .addresses import ADDRESS
from .amounts import DURATION
from .hints import hint
from .keys import Change, key_field, keys_of
from .listeners import SharedListener
from .parse import parse, read_listeners, read_table, repeated_names
from .reading import Problem, Reading, Source, lay_over, load
from .values import BOOL, OCTAL, PATH, wrong

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
    metrics_listen: str = key_field(
        ADDRESS,
        "",
        Change.NEXT,
        "where `ctl metrics` is a page for scrapers: all of it, for whoever comes",
    )
    adopt: bool = key_field(BOOL, True, Change.NEXT, "go on with what a killed supervisor left")


@dataclass(frozen=True, slots=True)
class DaemonSpec:
    """kettlingard.toml; without a file, everything as it is by itself."""

    file: str = ""
    daemon: DaemonKeys = DaemonKeys()
    listen: tuple[SharedListener, ...] = ()
    defaults: Source | None = None

    @property
    def names(self) -> list[str]:
        """Of the listeners."""
        return [one.name for one in self.listen]


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
            continue
        if name not in {"daemon", DEFAULTS}:
            advice = hint(name, "", [*known, "daemon", DEFAULTS])
            reading.problem((name,), "unknown key", None, advice)
        elif not isinstance(value, dict):
            reading.problem((name,), str(wrong(value, f"a table: write [{name}]")), value)
    keys = read_table(DaemonKeys, data.get("daemon", {}), ("daemon",), reading, known)
    listen = _shared(data.get("listen", []), reading)
    defaults = Source(source.file, source.text, DEFAULTS) if data.get(DEFAULTS) else None
    found = reading.problems + (_wrong_defaults(defaults) if defaults is not None else [])
    if found:
        return sorted(found, key=lambda problem: problem.line)
    return DaemonSpec(source.file, keys, listen, defaults)


NOT_SHARED = {  # what only the owner of a listener can have
    "dispatch": "requests are placed one by one here: nobody else can accept",
    "proxy_protocol": "cannot be here: a header would stand before what is to be looked at",
}


def _shared(data: object, reading: Reading) -> tuple[SharedListener, ...]:
    found: list[SharedListener] = read_listeners(SharedListener, data, reading)
    for number in repeated_names(found):
        path: tuple[str | int, ...] = ("listen", number, "name")
        reading.problem(path, "this name is taken by another listener", found[number].name)
    for number, one in enumerate(found):
        for key, why in NOT_SHARED.items():
            if getattr(one, key) not in {"pass", False}:
                reading.problem(("listen", number, key), why, getattr(one, key))
    return tuple(found)


def _wrong_defaults(defaults: Source) -> list[Problem]:
    found = parse(DEFAULTS, [defaults, Source(defaults.file, ALONE)])
    return found if isinstance(found, list) else []
