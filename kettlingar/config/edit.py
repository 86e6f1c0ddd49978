"""Settings changed while a service runs: one at a time, and kept in a file when asked."""

from __future__ import annotations

import json
import os
import typing
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kettlingar.errors import ConfigError

from .schema import DEFAULT, Configuration, normal_name, read_schema, unknown_setting
from .sources import YES, from_lines, usual_file
from .values import convert, written

ORIGIN = "config command"


def edit(
    config: Configuration,
    key: str = "",
    *,
    val: Any = None,
    append: Any = None,
    remove: Any = None,
    pop: int | None = None,
    reset: str = "",
    save: str | bool = "",
) -> list[str]:
    """Do what `config --key=K --val=V` and its like ask for; return the names that changed.

    ConfigError says what cannot be done; then nothing has changed.
    """
    wanted = {"val": val, "append": append, "remove": remove, "pop": pop}
    asked = [name for name, value in wanted.items() if value is not None]
    if len(asked) > 1:
        raise ConfigError([f"cannot do {' and '.join(asked)} at once: ask one after the other"])
    if asked and not key:
        raise ConfigError([f"cannot {asked[0]}: say which setting, by key"])
    changes: dict[str, Any] = {_known(config, reset): ""} if reset else {}
    if key:
        name = _known(config, key)
        if val is not None:
            changes[name] = val
        elif asked:
            changes[name] = _other_list(config, name, append, remove, pop)
    changed = config.apply(ORIGIN, changes) if changes else []
    path = "y" if save is True else str(save or "")
    if path:
        usual = path.lower() in YES
        write_file(usual_file(config) if usual else Path(path).expanduser(), config)
    return changed


def _known(config: Configuration, key: str) -> str:
    name = normal_name(key)
    schema = read_schema(type(config))
    if name not in schema:
        raise ConfigError([unknown_setting(schema, name, DEFAULT)])
    return name


def _other_list(
    config: Configuration, name: str, append: Any, remove: Any, pop: int | None
) -> list[Any]:
    now = getattr(config, name)
    if not isinstance(now, (list, tuple)):
        raise ConfigError([f"cannot change a part of {name}: it is no list; use val"])
    items = list(now)
    inside = typing.get_args(read_schema(type(config))[name].kind)
    try:
        if append is not None:
            items.append(convert(inside[0], append) if inside else append)
        elif remove is not None:
            items.remove(convert(inside[0], remove) if inside else remove)
        elif pop is not None:
            items.pop(pop)
    except (ValueError, IndexError) as why:
        raise ConfigError([f"cannot change {name}: {why}; it is {written(items)}"]) from why
    return items


def own_settings(config: Configuration) -> dict[str, Any]:
    """All settings that are not the class's own: what makes another process the same service."""
    fields = read_schema(type(config))
    return {
        name: written(value, fields[name].kind)
        for name, value in config.as_dict().items()
        if config.origin(name) != DEFAULT
    }


def write_file(path: Path, config: Configuration) -> None:
    """Keep the settings in a private file that `worker_config` can name."""
    settings = own_settings(config)
    settings.pop("worker_config", None)
    text = (_toml if path.suffix == ".toml" else _lines)(settings)
    replace_privately(path, text)


def replace_privately(path: Path, text: str) -> None:
    """Put a file in place in one go, readable by its owner alone from its first moment."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.rename(path)
    except OSError as why:
        with suppress(OSError):
            temporary.unlink()
        raise ConfigError([f"cannot write {path}: {why.strerror}"]) from why


def _toml(settings: Mapping[str, str]) -> str:
    return "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in settings.items()
    )


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name} = {_quoted(name, value)}\n" for name, value in settings.items())


def _quoted(name: str, value: str) -> str:
    """The spelling of a value that is read back as it is."""
    for text in (value, f'"{value}"', f"'{value}'"):
        line = f"{name} = {text}"
        if len(line.splitlines()) == 1 and from_lines(line, "") == {name: value}:
            return text
    raise ConfigError([f"cannot write {name} into a file of lines: save to a .toml file"])
