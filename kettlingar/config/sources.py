"""Where settings come from: files and command lines -> plain dicts, for `schema.merge`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from kettlingar.errors import ConfigError

from .schema import Configuration, Schema, normal_name

YES = ("y", "yes", "t", "true", "1")
_QUOTES = "'\""


def usual_file(config: Configuration) -> Path:
    """Where a service's settings are kept, unless somebody says otherwise."""
    return Path(config.app_data_dir) / f"{config.worker_name}.cfg"


def from_setting(config: Configuration) -> tuple[Path, dict[str, Any]]:
    """The file that `worker_config` names, and its settings; `y` is the usual one, if it exists."""
    setting: str = config.worker_config
    if setting.strip().lower() not in YES:
        path = Path(setting).expanduser()
        return path, read_file(path)
    path = usual_file(config)
    return path, read_file(path) if path.exists() else {}


def read_file(path: Path | str) -> dict[str, Any]:
    """Settings of a file: TOML if so named, else `key = value` lines.

    Raises ConfigError naming the file, and line where one is wrong.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigError([f"cannot read {path}: it is not UTF-8 ({problem.reason})"]) from problem
    except OSError as problem:
        raise ConfigError(
            [f"cannot read {path}: {problem.strerror}; check worker_config"]
        ) from problem
    return _from_toml(text, path) if path.suffix == ".toml" else from_lines(text, str(path))


def _from_toml(text: str, path: Path) -> dict[str, Any]:
    import tomli

    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as problem:
        raise ConfigError([f"cannot read {path}: {problem}"]) from problem


def from_lines(text: str, origin: str) -> dict[str, str]:
    """Read `key = value` lines; `#` begins a comment, unless it is inside quotes."""
    settings: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        key, equals, value = bare.partition("=")
        name = normal_name(key.strip())
        if not equals or not name:
            problems.append(f"{origin}:{number}: {bare!r} is not `key = value`")
        elif name in settings:
            problems.append(f"{origin}:{number}: {name} is set twice; remove one of the lines")
        settings[name] = _value(value.strip())
    if problems:
        raise ConfigError(problems)
    return settings


def _value(text: str) -> str:
    """A value without its comment, and without the quotes that are around all of it."""
    quote = ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character == "#" and (place == 0 or text[place - 1].isspace()):
            text = text[:place].rstrip()
            break
    whole = (
        len(text) > 1 and text[0] in _QUOTES and text[-1] == text[0] and text.count(text[0]) == 2
    )
    return text[1:-1] if whole else text


def from_argv(
    argv: Sequence[str], known: Collection[str] | Schema, strict: bool = True
) -> tuple[dict[str, str], list[str]]:
    """Split a command line into settings and the rest.

    `--name` alone means yes. When `strict`, all `--name=value` are settings, so that `merge`
    can tell of unknown ones; `--` ends the settings.
    """
    settings: dict[str, str] = {}
    rest: list[str] = []
    for place, word in enumerate(argv):
        if word == "--":
            return settings, rest + list(argv[place + 1 :])
        name, equals, value = word.partition("=")
        ours = word.startswith("--") and (strict or normal_name(name) in known)
        if ours:
            settings[normal_name(name)] = value if equals else "yes"
        else:
            rest.append(word)
    return settings, rest
