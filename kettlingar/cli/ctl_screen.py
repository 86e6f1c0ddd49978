"""The table of `status` as a terminal shows it: in colours, and no wider than it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from .ctl_format import table
from .ctl_status import COLUMNS, STYLES, WIDE, row

if TYPE_CHECKING:
    from rich.table import Table

ROOM = 40  # columns that a note needs to be read beside its row; else it stands below

Record = Mapping[str, Any]


def drawn(services: Sequence[Record], *, wide: bool = False, width: int | None = None) -> list[str]:
    """Its lines. `width`: of the terminal, if that is not to be asked."""
    columns = WIDE if wide else COLUMNS
    rows = [[column.head for column in columns], *(row(one, wide=wide) for one in services)]
    numbers = [column.number for column in columns]
    whole = table(rows, numbers)
    lines = table([cells[:-1] for cells in rows], numbers[:-1])
    console = Console(highlight=False, width=width)
    longest = max(len(cells[-1]) for cells in rows)
    with console.capture() as captured:
        if max(map(cell_len, whole)) <= console.width:
            console.print(_coloured(services, rows, whole))
        elif console.width - max(map(len, lines)) - 2 >= min(ROOM, longest):
            console.print(_beside(services, rows, numbers))
        else:
            _below(console, services, rows, lines)
    return captured.get().splitlines()


def _coloured(
    services: Sequence[Record], rows: Sequence[Sequence[str]], lines: Sequence[str]
) -> Text:
    """All of it fits: the lines as they are. (Rich's table would cost as much as Python's start.)"""
    text = Text("\n".join(lines))
    text.stylize("bold", 0, len(lines[0]))
    start = len(lines[0]) + 1 + max(len(cells[0]) for cells in rows) + 2  # of the first state
    for service, cells, line in zip(services, rows[1:], lines[1:], strict=True):
        text.stylize(STYLES.get(service["state"], ""), start, start + len(cells[1]))
        start += len(line) + 1
    return text


def _beside(
    services: Sequence[Record], rows: Sequence[Sequence[str]], numbers: Sequence[bool]
) -> Table:
    """Notes are the last column."""
    from rich.table import Table

    found = Table(box=None, pad_edge=False, header_style="bold")
    for head, number in zip(rows[0], numbers, strict=True):
        found.add_column(
            Text(head),  # in a str it would look for emoji, with a table of 3,600
            justify="right" if number else "left",
            no_wrap=head != "NOTE",
            overflow="fold",
        )
    for service, cells in zip(services, rows[1:], strict=True):
        texts = [Text(cell) for cell in cells]
        texts[1].stylize(STYLES.get(service["state"], ""))
        found.add_row(*texts)
    return found


def _below(
    console: Console,
    services: Sequence[Record],
    rows: Sequence[Sequence[str]],
    lines: Sequence[str],
) -> None:
    """Each note has lines of its own, wrapped between words."""
    from rich.padding import Padding

    console.print(Text(lines[0], "bold"))
    place = max(len(cells[0]) for cells in rows) + 2  # where states are
    for service, cells, line in zip(services, rows[1:], lines[1:], strict=True):
        text = Text(line)
        text.stylize(STYLES.get(service["state"], ""), place, place + len(cells[1]))
        console.print(text)
        if cells[-1]:
            console.print(Padding(Text(cells[-1]), (0, 0, 0, 4)))
