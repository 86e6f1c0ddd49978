"""What `show`, `deps`, `sockets` and `top` draw, as lines. Pure: records come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .ctl_format import duration, percent, printable, size, table

Record = Mapping[str, Any]

KINDS = ("requires", "binds_to", "wants", "after", "part_of")
FIRST = ("requires", "binds_to", "after")  # what has to be ready before


def definition(said: Record, *, origin: bool) -> list[str]:
    """A definition as TOML that counts; with `origin`, each line says where it comes from."""
    lines = [f"# {said['file'] or 'no definition'}, generation {said['generation']}"]
    table_before = ""
    for row in said["keys"]:
        if row["table"] != table_before:
            lines += ["", f"[{row['table']}]"]
        elif row["table"] == "[listen]" and row["key"] == "name":
            lines += ["", "[[listen]]"]
        table_before = row["table"]
        value = row["value"]
        text = f"{row['key']} = {value}" if value else f"# {row['key']} ="
        lines.append(f"{text:40}  # {row['origin']}" if origin else text)
    return [printable(line) for line in lines]


# --- deps -----------------------------------------------------------------------


def tree(records: Sequence[Record], root: str, *, reverse: bool = False) -> list[str]:
    """What a service needs, or with `reverse` who needs it; each state beside its name."""
    by_name = {record["name"]: record for record in records}
    return list(_branch(by_name, root, "", (), reverse=reverse))


def forest(records: Sequence[Record], *, reverse: bool = False) -> list[str]:
    """The trees of all services that no other one stands above."""
    names = [record["name"] for record in records]
    by_name = {record["name"]: record for record in records}
    below = {other for name in names for other, _ in _others(by_name, name, reverse=reverse)}
    roots = [name for name in names if name not in below] or names
    return [line for name in roots for line in tree(records, name, reverse=reverse)]


def _others(by_name: Mapping[str, Record], name: str, *, reverse: bool) -> list[tuple[str, str]]:
    """(service, how it is needed), in both directions."""
    if not reverse:
        record = by_name.get(name)
        found = {other: kind for kind in reversed(KINDS) for other in (record or {}).get(kind, ())}
        return sorted(found.items())
    return [
        (other, kind)
        for other in by_name
        for needed, kind in _others(by_name, other, reverse=False)
        if needed == name
    ]


def _branch(
    by_name: Mapping[str, Record], name: str, kind: str, above: tuple[str, ...], *, reverse: bool
) -> Iterator[str]:
    state = by_name[name]["state"] if name in by_name else "not there"
    how = f"  ({kind})" if kind else ""
    yield f"{'  ' * len(above)}{name}  {state}{how}"
    if name in above:
        return
    for other, why in _others(by_name, name, reverse=reverse):
        yield from _branch(by_name, other, why, (*above, name), reverse=reverse)


def critical_chain(records: Sequence[Record], root: str) -> list[str]:
    """What the start of a service had to wait for: the last one to be ready, and so on.

    Each with the moment (after the first one's start) and the time that it took itself.
    """
    by_name = {record["name"]: record for record in records}
    chain: list[Record] = []
    name: str | None = root
    while name is not None and name in by_name and by_name[name] not in chain:
        chain.append(by_name[name])
        name = _last_ready(by_name, by_name[name])
    begin = min((one["started_at"] for one in chain if one["started_at"]), default=None)
    return [_link(one, depth, begin) for depth, one in enumerate(chain)]


def _last_ready(by_name: Mapping[str, Record], record: Record) -> str | None:
    first = {name for kind in FIRST for name in record[kind] if name in by_name}
    return max(first, key=lambda name: (by_name[name]["ready_at"] or 0.0, name), default=None)


def _link(record: Record, depth: int, begin: float | None) -> str:
    ready, started = record["ready_at"], record["started_at"]
    if ready is None or started is None or begin is None:
        times = record["state"]
    else:
        times = f"@{ready - begin:.3f}s +{ready - started:.3f}s"
    return f"{'  ' * depth}{record['name']}  {times}"


# --- sockets and top ----------------------------------------------------------------


def socket_rows(records: Sequence[Record]) -> list[str]:
    """One line for each listener, then the counts of its service."""
    head = "SERVICE DISPATCH HELD BACKLOG IN-FLIGHT PASSED AGAIN 503 LOST LISTENER"
    rows = [head.split()]
    for one in records:
        counts = [one["in_flight"], one["passed"], one["redispatched"], one["answered_503"]]
        cells = [*map(str, counts), str(one["lost"])]
        for listener in one["listeners"]:
            rows.append([one["name"], *_queue(listener), *cells, _where(listener)])
            cells = [""] * len(cells)
        if not one["listeners"] and one["problem"]:
            rows.append([one["name"], *["-"] * 3, *cells, one["problem"]])
    return table(rows, [False] * 2 + [True] * 7 + [False])


def _queue(one: Record) -> list[str]:
    queued = "-" if one["queued"] is None else f"{one['queued']}/{one['backlog']}"
    return [one["dispatch"], str(one["held"]), queued]


def _where(one: Record) -> str:
    """Its address, and its name where that says more; last, since it may be long."""
    return one["address"] if one["name"] == one["address"] else f"{one['address']} ({one['name']})"


def busiest(services: Sequence[Record]) -> list[str]:
    """Each process, the busiest first."""
    rows = [["INSTANCE", "PID", "STATE", "CPU", "MEM", "LAG", "IN-FLIGHT", "SERVED", "UPTIME"]]
    runs = [(one["name"], run) for one in services for run in one["instances"] if run.get("pid")]
    runs.sort(key=lambda pair: (-(pair[1]["cpu"] or 0), -(pair[1]["memory"] or 0), pair[0]))
    rows += [_process(name, run) for name, run in runs]
    return table(rows, [False, True, False] + [True] * 6)


def _process(name: str, run: Record) -> list[str]:
    lag = run.get("lag")
    return [
        f"{name}/{run['instance']}",
        str(run["pid"]),
        run["state"],
        percent(run["cpu"]),
        size(run["memory"]),
        "-" if lag is None else f"{lag * 1000:.0f}ms",
        "-" if run["in_flight"] is None else str(run["in_flight"]),
        "-" if run["served"] is None else str(run["served"]),
        duration(run["uptime"]),
    ]
