"""What `status` shows, as rows and lines. Pure: the supervisor's records come in."""

from __future__ import annotations

import time

from .ctl_format import duration, percent, printable, size, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    Record = Mapping[str, Any]

# Which exit code `status SERVICE` has: 0 for these; 6 for a definition with problems.
SERVES = frozenset({"ready", "held", "updating"})
TWICE, AFTER = "the same twice", " s after start"  # words of the supervisor
STYLES = {
    "ready": "green",
    "held": "cyan",
    "starting": "cyan",
    "updating": "cyan",
    "waiting": "yellow",
    "degraded": "yellow",
    "stopping": "yellow",
    "update-paused": "yellow",
    "inactive": "dim",
    "disabled": "dim",
    "failed": "bold red",
    "invalid": "bold red",
}


class Column:
    """A column of the table; numbers stand right."""

    def __init__(self, head: str, number: bool = False) -> None:
        self.head = head
        self.number = number


COLUMNS = (
    Column("SERVICE"),
    Column("STATE"),
    Column("READY", True),
    Column("GEN", True),
    Column("UPTIME"),
    Column("RESTARTS", True),
    Column("CPU", True),
    Column("MEM", True),
    Column("IN-FLIGHT", True),
    Column("NOTE"),
)
WIDE = (*COLUMNS[:-1], Column("PIDS"), Column("LISTENS"), Column("KITTEN"), COLUMNS[-1])


def row(service: Record, *, wide: bool = False) -> list[str]:
    """One service as the cells of COLUMNS or WIDE."""
    runs = service.get("instances") or []
    cells = [
        service["name"],
        service["state"],
        f"{service.get('ready', 0)}/{service.get('wanted', 0)}",
        str(service.get("generation") or "-"),
        duration(service.get("uptime")),
        str(service.get("restarts", 0)),
        percent(_sum(run.get("cpu") for run in runs)),
        size(_sum(run.get("memory") for run in runs)),
        "-" if service.get("in_flight") is None else str(service["in_flight"]),
    ]
    if wide:
        pids = ",".join(str(run["pid"]) for run in runs if run.get("pid"))
        listens = ",".join(map(address, service.get("listens") or ()))
        cells += [pids or "-", listens or "-", service.get("kitten") or "-"]
    return [*cells, printable(note(service))]


def _sum(numbers: Iterable[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def note(service: Record) -> str:
    """One line on why a service is not simply ready."""
    problems = service.get("problems") or []
    if text := service.get("note"):
        return str(text)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{problem(problems[0])}{more}"
    return ""


def problem(one: object) -> str:
    """A problem of a definition as one line; records have the line ready in `text`."""
    return str(one.get("text") or one) if isinstance(one, dict) else str(one)


def address(listen: object) -> str:
    """Where a listener listens."""
    if isinstance(listen, dict):
        return str(listen.get("address") or listen.get("stream") or listen.get("name"))
    return str(listen)


def overview(services: Sequence[Record], *, wide: bool = False) -> list[str]:
    """The table as plain lines."""
    columns = WIDE if wide else COLUMNS
    rows = [[column.head for column in columns], *(row(one, wide=wide) for one in services)]
    return table(rows, [column.number for column in columns])


def exit_code(services: Sequence[Record]) -> int:
    """Of `status SERVICE...`: 0 if all serve, 6 for a bad definition, else 3."""
    states = {service["state"] for service in services}
    if states <= SERVES:
        return 0
    return 6 if "invalid" in states and states <= SERVES | {"invalid"} else 3


def detail(service: Record) -> list[str]:
    """`status SERVICE` as lines; the first one is the head."""
    lines = [_head(service)]
    lines += [f"  {name:11} {text}" for name, text in _facts(service) if text]
    for run in service.get("instances") or []:
        lines += _instance(run)
    lines += [f"  ! {printable(problem(one))}" for one in service.get("problems") or []]
    if log := service.get("log"):
        lines.append(f"  log (last {len(log)})")
        lines += [f"      {printable(log_line(line))}" for line in log]
    return lines


def _head(service: Record) -> str:
    name, text = service["name"], service.get("description") or ""
    left = f"{name} - {printable(text)}" if text else name
    ready = f"{service.get('ready', 0)} of {service.get('wanted', 0)} ready"
    return f"{left:50}  {service['state']} ({ready})"


def _facts(service: Record) -> Iterable[tuple[str, str]]:
    kitten, python = service.get("kitten"), service.get("python")
    version = f" {service['version']}" if service.get("version") else ""
    yield "definition", str(service.get("definition") or "")
    yield (
        "kitten",
        f"{kitten}{version}" + (f", python {python}" if python else "") if kitten else "",
    )
    yield "listens", "; ".join(map(_listener, service.get("listens") or ()))
    needs, needed_by = service.get("needs") or [], service.get("needed_by") or []
    if needs or needed_by:
        yield "needs", f"{', '.join(needs) or '-':12} needed by  {', '.join(needed_by) or '-'}"
    said = str(service.get("note") or "")
    yield "note", "" if said.startswith("/") else printable(said)  # an instance's is with it


def _listener(listen: object) -> str:
    """`127.0.0.1:80 (pass), held 2, queued 0, backlog 0/1024`."""
    if not isinstance(listen, dict):
        return str(listen)
    facts = [f"{address(listen)} ({listen.get('dispatch') or 'not open'})"]
    if listen.get("held"):
        facts.append(f"held {listen['held']}")
    if listen.get("backlog"):
        facts.append(f"backlog {listen.get('queued') or 0}/{listen['backlog']}")
    return ", ".join(facts)


def _instance(run: Record) -> list[str]:
    facts = [f"pid {run['pid']}"] if run.get("pid") else []
    if run.get("pid"):
        facts += [f"up {duration(run.get('uptime'))}", size(run.get("memory"))]
        facts += [f"loop lag {run['lag'] * 1000:.0f} ms"] if run.get("lag") is not None else []
        facts += [f"served {run['served']}"] if run.get("served") is not None else []
        facts += [f"in flight {run['in_flight']}"] if run.get("in_flight") else []
        facts += [flag for flag in ("adopted", "stuck") if run.get(flag)]
    if restarts := run.get("restarts"):
        facts.append(f"{restarts} restart{'s' if restarts != 1 else ''}")
    end = run.get("last_end")
    facts += [printable(text) for text in _why(run, _error(end))]
    lines = [f"  /{run['instance']}  {run['state']:8} {'  '.join(facts)}".rstrip()]
    if said := run.get("status"):
        lines.append(f"      says {printable(str(said))}")
    return [*lines, *(f"      {printable(line)}" for line in _end(end))]


def _why(run: Record, error: str) -> Iterable[str]:
    """Why it does not run, without the error that is said below; and when it is tried again."""
    reason = str(run.get("reason") or "")
    if error and reason == f"{TWICE}: {error}":
        yield "the same error twice; tried again when its sources or its definition change"
    elif reason and reason != error:
        yield reason
    if at := run.get("next_try"):
        yield f"next try {clock(at)}"


def _error(end: object) -> str:
    return str(end.get("error") or "") if isinstance(end, dict) else ""


def _end(end: object) -> Iterable[str]:
    """`last end 14:20:31: exit 1 before it was ready, 0.21 s after start`; then the error's place, and it."""
    if not end:
        return
    if not isinstance(end, dict):
        yield f"last end {end}"
        return
    at = end.get("at")
    when = f"{clock(at)}: " if isinstance(at, (int, float)) else ""
    text, error = str(end.get("text") or end.get("how") or end), _error(end)
    short, after, _ = text.partition(AFTER)
    if not error or not after:
        yield f"last end {when}{text}"
        return
    yield f"last end {when}{short}{after}"
    yield "  ".join(filter(None, (str(end.get("where") or ""), error)))


def clock(at: float) -> str:
    """The time of day of a time stamp, as here."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def log_line(line: object) -> str:
    """A line of a log; records say whose it is."""
    if isinstance(line, dict):
        return f"/{line['instance']} {line['line']}" if "instance" in line else str(line["line"])
    return str(line)
