"""`kettlingard dev`: the definition that it makes for one class, and how lines look on its terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from .environment import BASE

DRAIN = 2.0  # seconds for open requests: a stream that somebody watches is not to delay a reload
STOP = 5.0  # seconds, after which an old process is killed
PORT = 8080
_KITTEN = re.compile(r"(?:\w+\.)*\w+:(\w+)", re.ASCII)
_SETTING = re.compile(r"--([a-zA-Z]\w*(?:-\w+)*)=(.*)", re.ASCII | re.DOTALL)
_STAMP = re.compile(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d),\d{3} \d+ ([A-Z]) ")
_NOT_PASSED = ("LC_", "KETTLINGARD_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_")
_COLOURS = {"D": "2", "W": "33", "E": "31", "C": "1;31"}


class Service(Struct, frozen=True):
    """What is to run."""

    kitten: str
    folder: str  # where it was asked for: modules and files are looked for there
    port: int = PORT
    config: dict[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()  # names, of the environment that it gets

    @property
    def name(self) -> str:
        """Of the service: that of the class."""
        return name_of(self.kitten)


def name_of(kitten: str) -> str:
    """A service's name for `module:Class`. Raise ValueError for what is none."""
    found = _KITTEN.fullmatch(kitten)
    if found is None:
        raise ValueError(f"{kitten!r} is not MODULE:CLASS, such as greeter:Greeter")
    return found[1].lower().lstrip("_0123456789")[:48] or "kitten"


def settings_of(words: Iterable[str]) -> dict[str, str]:
    """`--name=value` words as settings. Raise ValueError for any other word."""
    found = {}
    for word in words:
        setting = _SETTING.fullmatch(word)
        if setting is None:
            raise ValueError(
                f"{word!r} is not --SETTING=VALUE, such as --worker-http-max-body=1000"
            )
        found[setting[1].replace("-", "_").lower()] = setting[2]
    return found


def passed(names: Iterable[str]) -> tuple[str, ...]:
    """The variables of a developer's shell that the service gets; the supervisor adds its base."""
    return tuple(
        sorted(name for name in names if name not in BASE and not name.startswith(_NOT_PASSED))
    )


def definition(service: Service) -> str:
    """As TOML.

    A request after a save is never answered by old code: the old process ends first, and
    requests wait. What ends by itself waits for the next save, since its code will not get better
    before. Whoever sits in a debugger blocks the loop: that is reported, and ends nothing.
    """
    values: dict[str, dict[str, object]] = {
        "service": {
            "kitten": service.kitten,
            "python_path": [service.folder],
            "working_directory": service.folder,
            "listen": [f"127.0.0.1:{service.port}"],
            "pass_environment": list(service.variables),
            "restart": "no",
            "drain_timeout": DRAIN,
            "timeout_stop": STOP,
            "watchdog_action": "report",
        },
        "config": dict(service.config),
        "update": {"order": "stop-first", "monitor": 0, "failure_action": "continue"},
    }
    return "\n".join(
        line
        for table, keys in values.items()
        for line in (f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in keys.items()))
    )


def _toml(value: object) -> str:
    """JSON's strings, numbers and lists are TOML's too, but for pairs of escapes."""
    return json.dumps(value, ensure_ascii=False)


class Painter:
    """Lines of one log, for a terminal: without date and pid, in the colour of their level."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours
        self._colour = ""

    def line(self, text: str) -> str:
        """A line that the service wrote; one without a stamp belongs to the one before it."""
        stamp = _STAMP.match(text)
        if stamp is not None:
            self._colour = _COLOURS.get(stamp[2], "")
            text = f"{stamp[1]} {stamp[2]} {text[stamp.end() :]}"
        return self._painted(text, self._colour)

    def own(self, text: str, *, bad: bool = False) -> str:
        """A line of ours."""
        return self._painted(f"dev: {text}", "1;31" if bad else "36")

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self._colours else text


def in_short(paths: Sequence[str], folder: str) -> str:
    """`a.py, b.py and 3 more`, as seen from the folder."""
    names = [path.removeprefix(f"{folder}/") for path in paths]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
