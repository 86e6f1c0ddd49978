"""Writes what was measured where people read it: tables between markers, plots beside them.

python -m benchmarks --publish         measures everything (ten minutes), then writes
python -m benchmarks.publish FILE      writes the figures of an earlier run
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from . import _machine as machine
from ._rounds import Line, table
from ._svg import plot

DOCS = machine.ROOT / "docs"
PAGE = DOCS / "performance.md"
README = machine.ROOT / "README.md"
BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
QUIET = 0.15  # of the CPUs, used by others: above that, say so
# The README has a few of them, the lost ones among them: (row, what, beside).
SHORT = (
    ("1", "CPU of a call, both ends", "LIMIT httptools"),
    ("1", "p50 of a call, unix", "uvicorn+aiohttp"),
    ("1s", "p50 of a blocking call", "Pyro5"),
    ("2, text", "CPU of a GET, text", "LIMIT httptools with task"),
    ("2, text", "GETs, text", "uvicorn raw ASGI"),
    ("3", "items of a stream, unix", "LIMIT joined"),
    ("4", "CPU of a connection", "two on a shared listener"),
    ("5", "100 services answer", "LIMIT zygote"),
    ("5, peers", "100 services answer", "supervisord"),
    ("5r", "from kill -9 to an answer", "LIMIT zygote"),
    ("6", "ctl status, CPU", "supervisorctl status"),
)


def foot(data: dict[str, Any]) -> str:
    """Machine and versions, in two lines."""
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    return f"{of_machine(data)}; {versions}.\n{manner(data)}"


def of_machine(data: dict[str, Any]) -> str:
    """The machine's name."""
    kernel = re.match(r"[\d.]*\d", data["kernel"])
    return (
        f"{data['machine']}, {data['cpus']} CPUs, Linux {kernel[0] if kernel else ''}, "
        f"Python {data['python']}"
    )


def below(data: dict[str, Any]) -> str:
    """What a plot says of its figures."""
    return of_machine(data) + (", busy with other work as well" if _busy(data) else "")


def _busy(data: dict[str, Any]) -> bool:
    return max(data["busy_before"], data["busy_after"]) > QUIET


def manner(data: dict[str, Any]) -> str:
    """How it was measured, and whether others were there."""
    before, after = data["busy_before"], data["busy_after"]
    words = (
        f"Medians of {data['rounds']} rounds in turn (fewer for slow starts), {data['seconds']} s "
        f"in all; the CPUs were {before:.0%} busy before and {after:.0%} after it."
    )
    if _busy(data):
        words += " **Measured beside others: ratios of CPU time hold, the rest says less.**"
    return words


def summary(lines: list[Line]) -> str:
    """How many targets are met."""
    met = sum(line.met for line in lines)
    return f"{met} of {len(lines)} targets are met; those in bold are not."


def short(lines: list[Line]) -> str:
    """The README's table."""
    found = {(line.row, line.what, line.beside): line for line in lines}
    rows = ["| | beside | ratio | target |", "|---|---|---|---|"]
    for key in SHORT:
        if line := found.get(key):
            ratio = f"{line.ratio:.2f}" if line.met else f"**{line.ratio:.2f}**"
            rows.append(f"| {line.what} | {line.beside} | {ratio} | {line.target} |")
    return "\n".join(rows)


def drawn(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The curves of which something was measured."""
    return [curve for curve in data["curves"] if curve["points"]]


def block(name: str, data: dict[str, Any], lines: list[Line]) -> str:
    """The text of one marked block."""
    if name == "rows":
        skipped = "".join(f"\n\nSkipped: {words}." for words in data["skipped"])
        return f"{summary(lines)}\n\n{table(lines)}\n\n{foot(data)}{skipped}"
    if name == "growth":
        return "\n\n".join(f"![{c['title']}]({c['name']}.svg)" for c in drawn(data))
    return f"{short(lines)}\n\n{summary(lines)} {of_machine(data)}; {manner(data)}"


def filled(text: str, data: dict[str, Any], lines: list[Line]) -> str:
    """A page with its marked blocks made anew; one of which nothing was measured stays."""

    def made(found: re.Match[str]) -> str:
        has_news = drawn(data) if found[2] == "growth" else lines
        return f"{found[1]}{block(found[2], data, lines)}\n{found[3]}" if has_news else found[0]

    return BLOCK.sub(made, text)


def write(data: dict[str, Any]) -> None:
    """Fill the blocks of the page and of the README, and draw the plots."""
    lines = [Line(**each) for each in data["lines"]]
    for path in (PAGE, README):
        text = path.read_text()
        path.write_text(filled(text, data, lines))
    for curve in drawn(data):
        image = plot(curve["title"], curve["across"], curve["up"], curve["points"], below(data))
        (DOCS / f"{curve['name']}.svg").write_text(image)


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()))
