"""Settings: constants in capitals -> typed fields; layers merged, with all problems at once."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from msgspec import Struct

from kettlingar.errors import ConfigError

from .defaults import Defaults
from .values import Check, convert, kind_of, name_of, written

DEFAULT = "default"
COMMAND_LINE = "command line"
_SECRET_WORDS = frozenset({"secret", "password", "passwd", "passphrase", "token", "key"})
_PLAIN = frozenset({bool, int, str})  # nothing to convert, nothing to check
_FOLDERS = ("app_state_dir", "app_data_dir")


class Field(Struct, frozen=True):
    """One setting: `WORKER_NAME` in the class, `worker_name` in the configuration."""

    name: str
    kind: Any
    default: Any
    meaning: str = ""
    checks: tuple[Check, ...] = ()

    @property
    def secret(self) -> bool:
        """Is its value to be masked where people look at it?"""
        return not _SECRET_WORDS.isdisjoint(self.name.split("_"))

    @property
    def option(self) -> str:
        """As the command line has it."""
        return "--" + self.name.replace("_", "-")


Schema = Mapping[str, Field]


class Merged(NamedTuple):
    """What layers of settings come to; `problems` is empty if all of it can be used."""

    values: dict[str, Any]
    origins: dict[str, str]
    problems: list[str]


@cache
def _read(cls: Any) -> Schema:
    fields: dict[str, Field] = {}
    hints = _hints(cls)
    for base in reversed(cls.__mro__):
        for constant in vars(base):
            if constant.isupper() and not constant.startswith("_"):
                default = getattr(cls, constant)
                kind = hints.get(constant) or kind_of(default)
                fields[constant.lower()] = _field(constant.lower(), kind, default)
    return fields


def _field(name: str, kind: Any, default: Any) -> Field:
    if typing.get_origin(kind) is not typing.Annotated:
        return Field(name, kind, default)
    kind, *more = typing.get_args(kind)
    meaning = next((text for text in more if isinstance(text, str)), "")
    checks = tuple(check for check in more if isinstance(check, Check))
    return Field(name, kind, default, meaning, checks)


def read_schema(cls: type) -> Schema:
    """The settings of a Configuration class and all its bases, by lower-case name."""
    return _read(cls)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    if len(cls.__bases__) == 1 and not inspect.get_annotations(cls):
        hints: dict[str, Any] = _hints(cls.__bases__[0])
        return hints
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception as problem:
        raise TypeError(
            f"cannot read {cls.__qualname__}: {problem}; import the type outside of TYPE_CHECKING"
        ) from problem


def normal_name(name: str) -> str:
    """`--worker-name`, `WORKER_NAME` and `worker_name` are the same setting."""
    return name.lstrip("-").replace("-", "_").lower()


def merge(schema: Schema, layers: Iterable[tuple[str, Mapping[str, Any]]]) -> Merged:
    """Lay (origin, settings) over the defaults, later ones on top.

    An empty text means the default. Nothing is raised: problems are whole sentences.
    """
    merged = Merged({}, {}, [])
    for field in schema.values():
        _set(merged, field, field.default, "class")
        merged.origins[field.name] = DEFAULT
    for origin, settings in layers:
        for given, value in settings.items():
            field_ = schema.get(normal_name(given))
            if field_ is None:
                merged.problems.append(unknown_setting(schema, given, origin))
            else:
                _set(merged, field_, value, origin)
    return merged


def _set(merged: Merged, field: Field, value: Any, origin: str) -> None:
    if value is None or value == "":
        merged.values[field.name] = field.default
        return
    if type(value) is field.kind and field.kind in _PLAIN and not field.checks:
        merged.values[field.name] = value
        merged.origins[field.name] = origin
        return
    try:
        converted = convert(field.kind, value)
    except (ValueError, TypeError, OverflowError) as problem:
        setting, shown = _shown(field, value, origin)
        merged.problems.append(f"{setting}: {shown} is no {name_of(field.kind)}: {problem}")
        return
    try:
        for check in field.checks:
            check(converted)
    except ValueError as problem:
        setting, shown = _shown(field, value, origin)
        merged.problems.append(f"{setting} to {shown}: {problem}")
        return
    merged.values[field.name] = converted
    merged.origins[field.name] = origin


def _shown(field: Field, value: Any, origin: str) -> tuple[str, str]:
    """How a problem's sentence begins, and the value in it."""
    setting = f"{_place(origin)}cannot set {_spelled(field.name, origin)}"
    return setting, "(a secret)" if field.secret else repr(value)[:80]


def unknown_setting(schema: Schema, given: str, origin: str) -> str:
    """The sentence for a name that is no setting, with the nearest that is."""
    from difflib import get_close_matches

    name = normal_name(given)
    near = get_close_matches(name, schema, n=1, cutoff=0.6)
    hint = f"; did you mean {_spelled(near[0], origin)}?" if near else ""
    return f"{_place(origin)}{_spelled(name, origin)} is not a setting{hint}"


def _spelled(name: str, origin: str) -> str:
    return "--" + name.replace("_", "-") if origin == COMMAND_LINE else name


def _place(origin: str) -> str:
    return "" if origin in (COMMAND_LINE, DEFAULT) else f"{origin}: "


class Configuration(Defaults):
    """The settings of a service; subclasses add constants, each becomes an attribute.

    Later wins: class, WORKER_CONFIG file, command line.
    """

    def __init__(self) -> None:
        """Begin with the class's own values; TypeError or ConfigError if those are wrong."""
        self._origins: dict[str, str] = {}
        self._take(merge(read_schema(type(self)), ()))

    def configure(self, args: Sequence[str] = (), strict: bool = True) -> list[str]:
        """Read the command line, and the file that it or the class names.

        Returns the arguments that are no settings. Raises ConfigError with all problems; when
        not `strict`, options that are no settings are returned with the rest.
        """
        sources = import_module("kettlingar.config.sources")
        schema = read_schema(type(self))
        settings, rest = sources.from_argv(args, schema, strict=strict)
        layers = [(COMMAND_LINE, settings)]
        first = merge(schema, layers)
        if first.values["worker_config"] and not first.problems:
            self._take(first)
            path, settings = sources.from_setting(self)
            layers.insert(0, (str(path), settings))
        self._take(merge(schema, layers))
        return list(rest)

    def apply(self, origin: str, settings: Mapping[str, Any]) -> list[str]:
        """Change settings, as `origin` has them; return their names. ConfigError: none changed."""
        merged = merge(read_schema(type(self)), [(origin, settings)])
        names = [normal_name(name) for name in settings]
        self._take(merged, names)
        return names

    def as_dict(self, mask_secrets: bool = False) -> dict[str, Any]:
        """All settings by name; with `mask_secrets`, set ones of those read `(secret)`."""
        fields = read_schema(type(self)).values()
        return {
            field.name: "(secret)" if mask_secrets and field.secret and value else value
            for field in fields
            for value in (getattr(self, field.name),)
        }

    def origin(self, name: str) -> str:
        """Where a setting's value comes from: default, a file's path, command line."""
        return self._origins.get(normal_name(name), DEFAULT)

    def __str__(self) -> str:
        """One `--key=value` a line, secrets masked."""
        fields = read_schema(type(self))
        return "\n".join(
            f"{fields[name].option}={written(value, fields[name].kind)}"
            for name, value in self.as_dict(mask_secrets=True).items()
        )

    def __getattr__(self, name: str) -> Any:
        """The folders are found out when somebody asks: that costs an import."""
        if name in _FOLDERS:
            paths = import_module("kettlingar.config.paths")
            find = paths.state_dir if name == "app_state_dir" else paths.data_dir
            value = str(find(self.app_name))
            setattr(self, name, value)
            return value
        raise AttributeError(f"{name} is not a setting of {type(self).__qualname__}")

    def _take(self, merged: Merged, names: Iterable[str] | None = None) -> None:
        if merged.problems:
            raise ConfigError(merged.problems)
        for name in merged.values if names is None else names:
            value = merged.values[name]
            self._origins[name] = merged.origins[name]
            if name in _FOLDERS and not value:
                self.__dict__.pop(name, None)
            else:
                setattr(self, name, value)


def joined_configuration(cls: type) -> type[Configuration]:
    """One class with the settings of all `Configuration`s in a class's tree, mix-ins' included."""
    found: list[type] = []
    for base in cls.__mro__:
        config = base.__dict__.get("Configuration")
        if config is not None and not any(issubclass(known, config) for known in found):
            found.append(config)
    if len(found) == 1 and issubclass(found[0], Configuration):
        return found[0]
    joined = type("Configuration", tuple(found), {"__doc__": found[0].__doc__})
    assert issubclass(joined, Configuration)
    return joined
