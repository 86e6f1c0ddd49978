"""Kinds of value in a definition: each reads what TOML gave, or says why it cannot.

A `Kind` is a name for people and a function; ValueError carries the sentence
that follows the key in a problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Reader = Callable[[object], Any]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")
_RULE = re.compile(r"any|(?:uid|gid):[^\s:]+|service:[a-z][a-z0-9_-]{0,47}")
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_KITTEN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

AUTO = -1  # as many as there are processors: whoever knows them says it

# Numbers of Linux; the pure half cannot ask the signal module.
SIGNALS = {
    "SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGABRT": 6, "SIGKILL": 9, "SIGUSR1": 10,
    "SIGSEGV": 11, "SIGUSR2": 12, "SIGPIPE": 13, "SIGALRM": 14, "SIGTERM": 15,
}  # fmt: skip
SIGNAL_NAMES = {number: name for name, number in SIGNALS.items()}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key takes, for people (name), editors (form) and the parser (read).

    `form` is JSON Schema; `is_path`: its texts count from the definition's own folder.
    """

    name: str
    read: Reader
    is_path: bool = False
    form: Mapping[str, Any] = field(default_factory=dict, compare=False)


def show(value: object) -> str:
    """`value` as the author of a TOML file would write it, cut where it gets long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def wrong(value: object, expected: str) -> ValueError:
    """The usual sentence: `"x" is not an integer`."""
    return ValueError(f"{show(value)} is not {expected}")


def is_service_name(text: str) -> bool:
    """True for what may name a service: `^[a-z][a-z0-9_-]{0,47}$`."""
    return _NAME.fullmatch(text) is not None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise wrong(value, "a text in quotes")
    if "\0" in value:
        raise ValueError("a NUL character cannot be used here")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong(value, "true or false")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(value, "a whole number")
    return value


def _instances(value: object) -> int:
    """A number, or AUTO."""
    return AUTO if value == "auto" else at_least(0).read(value)


def _limit(value: object) -> int:
    """A resource limit; "infinity" is -1, as RLIM_INFINITY is."""
    if value == "infinity":
        return -1
    return at_least(0).read(value)  # type: ignore[no-any-return]


def _octal(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value):
        return int(value, 8)
    raise wrong(value, 'an octal text such as "0027"')


def _signal(value: object) -> int:
    number = SIGNALS.get(value) if isinstance(value, str) else None
    if number is None:
        raise wrong(value, "a signal: " + ", ".join(SIGNALS))
    return number


def _exit_status(value: object) -> int:
    """An exit code, or minus the number of a signal."""
    if isinstance(value, str):
        return -_signal(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise wrong(value, "an exit status of 0 to 255 or a signal's name")
    return value


def matching(pattern: re.Pattern[str], expected: str) -> Reader:
    """Read a text of this form."""

    def read(value: object) -> str:
        if pattern.fullmatch(_text(value)) is None:
            raise wrong(value, expected)
        return str(value)

    return read


def _public_methods(value: object) -> tuple[str, ...] | None:
    """None = all of them."""
    if value == "all":
        return None
    if value == "none":
        return ()
    try:
        return tuple(list_of(TEXT).read(value))
    except ValueError as e:
        raise wrong(value, '"all", "none" or a list of names') from e


def _mapping_of(kind: Kind) -> Reader:
    def read(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong(value, "a table")
        return {name: kind.read(item) for name, item in value.items()}

    return read


def at_least(least: int) -> Kind:
    """A whole number from `least` on."""

    def read(value: object) -> int:
        number = _whole(value)
        if number < least:
            raise ValueError(f"{number} is less than {least}")
        return number

    return Kind(f"integer >= {least}", read, form={"type": "integer", "minimum": least})


def between(least: int, most: int) -> Kind:
    """A whole number, both ends included."""

    def read(value: object) -> int:
        number = _whole(value)
        if not least <= number <= most:
            raise ValueError(f"{number} is not in {least}..{most}")
        return number

    form = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(f"integer {least}..{most}", read, form=form)


def choice(*words: str) -> Kind:
    """One of `words`."""

    def read(value: object) -> str:
        if value not in words:
            raise wrong(value, "one of " + ", ".join(words))
        return str(value)

    return Kind(" or ".join(words), read, form={"enum": list(words)})


def list_of(kind: Kind) -> Kind:
    """A list; the problem of an item says which one."""

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise wrong(value, f"a list (of {kind.name})")
        return tuple(kind.read(item) for item in value)

    form = {"type": "array", "items": dict(kind.form)}
    return Kind(f"list of {kind.name}", read, is_path=kind.is_path, form=form)


def _command(value: object) -> tuple[str, ...]:
    words: tuple[str, ...] = list_of(TEXT).read(value)
    if not words or not words[0]:
        raise ValueError('this command is empty; write ["program", "argument"]')
    return words


_STRING: dict[str, Any] = {"type": "string"}


def matches(pattern: re.Pattern[str]) -> dict[str, Any]:
    """Describe a text of this form, for editors."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


def _table_of(form: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": dict(form)}


TEXT = Kind("text", _text, form=_STRING)
COMMAND = Kind("list of text", _command, form={"type": "array", "items": _STRING, "minItems": 1})
BOOL = Kind("true or false", _boolean, form={"type": "boolean"})
WHOLE = Kind("integer", _whole, form={"type": "integer"})
INSTANCES = Kind(
    'integer >= 0 or "auto"',
    _instances,
    form={"anyOf": [{"type": "integer", "minimum": 0}, {"const": "auto"}]},
)
LIMIT = Kind(
    'integer or "infinity"',
    _limit,
    form={"anyOf": [{"type": "integer", "minimum": 0}, {"const": "infinity"}]},
)
OCTAL = Kind("octal text", _octal, form={"type": "string", "pattern": "^0?[0-7]{3}$"})
SIGNAL = Kind("signal", _signal, form={"enum": list(SIGNALS)})
PATH = Kind("path", _text, is_path=True, form=_STRING)
EXIT_STATUS = Kind(
    "exit status or signal",
    _exit_status,
    form={"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, {"enum": list(SIGNALS)}]},
)
VARIABLE = Kind(
    "name of a variable", matching(_VARIABLE, "the name of a variable"), form=matches(_VARIABLE)
)
CREDENTIAL = Kind(
    "name of a file",
    matching(_FILE, "a name of letters, digits, dots, _ and -"),
    form=matches(_FILE),
)
SERVICE = Kind("name of a service", matching(_NAME, "the name of a service"), form=matches(_NAME))
RULE = Kind(
    "rule",
    matching(_RULE, 'a rule: "uid:NAME", "gid:NAME", "service:NAME" or "any"'),
    form=matches(_RULE),
)
MODULE = Kind("module", matching(_MODULE, "the name of a module"), form=matches(_MODULE))
KITTEN = Kind(
    '"module:Class"', matching(_KITTEN, 'of the form "module:Class"'), form=matches(_KITTEN)
)
PUBLIC = Kind(
    '"all", "none" or list of names',
    _public_methods,
    form={"anyOf": [{"enum": ["all", "none"]}, {"type": "array", "items": _STRING}]},
)
TEXTS = Kind("table of texts", _mapping_of(TEXT), form=_table_of(TEXT.form))
RULES = Kind(
    "table of lists of rules", _mapping_of(list_of(RULE)), form=_table_of(list_of(RULE).form)
)
