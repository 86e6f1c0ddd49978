"""What ctl writes, and how: lines to people and programs, tables to terminals."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


def on_terminal() -> bool:
    return sys.stdout.isatty()


def say(text: str) -> None:
    """A line to standard output, there at once: a stream is shown as it comes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_lines(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def complain(text: str) -> None:
    """A line to standard error."""
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")


def say_json(value: object) -> None:
    """One JSON document on one line: every reader of lines can use it."""
    from .plain_json import written

    try:
        text = written(value)
    except (TypeError, ValueError):
        from kettlingar.wire.content import to_json

        text = to_json(value).decode()
    say(text)


def paint(text: str, code: str) -> str:
    """Coloured on a terminal whose owner does not object (no-color.org)."""
    if not on_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def draw(
    services: Sequence[Mapping[str, Any]], *, wide: bool = False, height: int | None = None
) -> None:
    """The table of `status` on a terminal, of at most `height` lines."""
    import gc

    gc.disable()  # what rich makes as it is imported stays: looking for garbage there finds none
    from .ctl_screen import drawn

    gc.freeze()  # nor does the last look, at the end
    gc.enable()
    lines = drawn(services, wide=wide)
    if height is not None and len(lines) > height:
        more = len(lines) - height + 1
        lines = [*lines[: height - 1], f"... and {more} lines more: kettlingar ctl status"]
    say_lines(lines)
