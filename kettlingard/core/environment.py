"""The environment of a worker: little of ours, all of what its definition says.

Later wins: a clean base, variables passed on, environment files, [environment],
and what the daemon itself has to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

BASE = ("PATH", "LANG", "TZ", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR")
FIXED = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def worker_environment(
    ours: Mapping[str, str],
    passed: Iterable[str],
    files: Iterable[Mapping[str, str]],
    given: Mapping[str, str],
    own: Mapping[str, str],
) -> dict[str, str]:
    """All variables of a new process; `own` are the daemon's words to it."""
    result = {name: ours[name] for name in ours if name in BASE or name.startswith("LC_")}
    result.setdefault("PATH", DEFAULT_PATH)
    result |= FIXED
    result |= {name: ours[name] for name in passed if name in ours}
    for variables in files:
        result |= variables
    return {**result, **given, **own}


def parse_environment_file(text: str) -> dict[str, str]:
    """NAME=value lines, as systemd's EnvironmentFile has them: `#` and `;` begin comments.

    Values may stand in quotes. Raise ValueError with the number of a line that is neither.
    """
    variables: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line[0] in "#;":
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        name = name.strip()
        if not equals or not name.isidentifier() or not name.isascii() or "\0" in value:
            raise ValueError(f"line {number} is not NAME=value ({line[:40]})")
        variables[name] = _unquoted(value.strip())
    return variables


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
