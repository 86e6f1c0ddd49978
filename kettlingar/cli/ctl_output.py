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


def draw(services: Sequence[Mapping[str, Any]], *, wide: bool = False) -> None:
    """The table of `status` on a terminal."""
    import gc

    gc.disable()  # what rich makes as it is imported stays: looking for garbage there finds none
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    gc.freeze()  # nor does the last look, at the end
    gc.enable()
    from .ctl_status import COLUMNS, STYLES, WIDE, row

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in WIDE if wide else COLUMNS:
        table.add_column(
            Text(column.head),  # in a str it would look for emoji, with a table of 3,600
            justify="right" if column.number else "left",
            no_wrap=column.head != "NOTE",
            overflow="fold",
        )
    for service in services:
        cells = [Text(cell) for cell in row(service, wide=wide)]
        cells[1].stylize(STYLES.get(service["state"], ""))
        table.add_row(*cells)
    Console(highlight=False).print(table)
