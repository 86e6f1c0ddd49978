"""What a supervisor leaves to the next one: its state <-> versioned plain data.

The reader is tolerant: what it does not know it ignores, what is missing has its
default, and a service that cannot be understood is a problem of that service.
A snapshot says which readers can understand it, so an older supervisor can read
what a newer one wrote until a change really forbids it. Times are monotonic
seconds and process starts are ticks since boot, so `boot` must be this boot.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from .policies import policies_of
from .spec import ServiceSpec
from .state import ServiceState

VERSION = 1  # of what is written here
READABLE_BY = 1  # the lowest VERSION whose reader understands that


class SnapshotError(ValueError):
    """It cannot be understood; the text says why."""


class RunRecord(Struct, frozen=True):
    """The process of one run."""

    pid: int
    start: int  # clock ticks since boot
    mark: str


class ServiceRecord(Struct, frozen=True):
    """One service. No secret: workers keep theirs."""

    state: ServiceState
    specs: Mapping[int, ServiceSpec]  # by generation
    runs: Mapping[int, RunRecord] = field(default_factory=dict)  # by number
    command: tuple[str, str] = ("", "")  # the last one, and who gave it
    good: tuple[int, ...] = ()  # generations that have served


# What happened to a service: the fields of a record, in their order.
Happening = tuple[Any, ...]
KEPT = 50  # of a service


class Snapshot(Struct, frozen=True):
    """All of a supervisor."""

    boot: str  # id of the machine's boot
    daemon: str = "running"  # its state
    written_by: str = ""  # version of the package
    services: Mapping[str, ServiceRecord] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)  # services not understood, and why
    events: Mapping[str, tuple[Happening, ...]] = field(default_factory=dict)  # by service


def dump_spec(spec: ServiceSpec) -> dict[str, Any]:
    """One definition as plain data, without the lines of a file that may have changed since."""
    data: dict[str, Any] = msgspec.to_builtins(dataclasses.replace(spec, origins={}), str_keys=True)
    return data


def dump_service(record: ServiceRecord) -> dict[str, Any]:
    """One service as plain data."""
    data: dict[str, Any] = msgspec.to_builtins(replace(record, specs={}), str_keys=True)
    del data["state"]["policies"]  # they follow from the definition
    return {**data, "specs": {str(n): dump_spec(spec) for n, spec in record.specs.items()}}


def dump(snapshot: Snapshot, services: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """All as plain data; `services` are dumped already, and come last."""
    return {
        "version": VERSION,
        "readable_by": READABLE_BY,
        "written_by": snapshot.written_by,
        "boot": snapshot.boot,
        "daemon": snapshot.daemon,
        "events": dict(snapshot.events),
        "services": dict(services),
    }


def written_spec(spec: ServiceSpec) -> str:
    """One definition, of which services are written: it stays the same, they do not."""
    return json.dumps(dump_spec(spec))


def written_service(name: str, record: ServiceRecord, specs: Mapping[int, str]) -> bytes:
    """One service as a piece of what `joined` makes."""
    bare = dump_service(replace(record, specs={}))
    del bare["specs"]
    texts = ", ".join(f'"{number}": {text}' for number, text in specs.items())
    return f'{json.dumps(name)}: {json.dumps(bare)[:-1]}, "specs": {{{texts}}}}}'.encode()


def joined(head: Mapping[str, Any], services: Iterable[bytes]) -> bytes:
    """A dump as JSON, from pieces: that one service changed is no reason to write all anew."""
    begun = json.dumps({**head, "services": {}}).encode()
    return begun[:-2] + b", ".join(services) + b"}}"


def forgotten(name: str) -> bytes:
    """A piece of a later line: there is no such service any more."""
    return f"{json.dumps(name)}: null".encode()


def read_lines(data: bytes) -> object:
    """What the lines of a file say together: the first has all, later ones what has changed.

    The last one may be torn. Raise ValueError, KeyError or TypeError if another one is, or is
    nothing of ours.
    """
    first, *later = data.splitlines() or [b""]
    found = json.loads(first)
    for number, line in enumerate(later):
        try:
            change = json.loads(line)
        except ValueError:
            if number + 1 < len(later):
                raise
            break
        found = {
            **found,
            **change,
            "services": {**found["services"], **change["services"]},
            "events": _longer(found.get("events", {}), change.get("events", {})),
        }
    return found


def _longer(known: dict[str, list[Any]], news: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """A number that was there is another service of this name: it begins anew."""
    found = dict(known)
    for name, more in news.items():
        before = [one for one in known.get(name, []) if one[0] < more[0][0]]
        found[name] = [*before, *more][-KEPT:]
    return found


def load(data: object) -> Snapshot:
    """Read what `dump` wrote, in this version or another one. Raise SnapshotError."""
    if not isinstance(data, dict) or not isinstance(data.get("version"), int):
        raise SnapshotError("this is no state of a kettlingard")
    needed = data.get("readable_by", data["version"])
    if not isinstance(needed, int) or needed > VERSION:
        raise SnapshotError(
            f"it was written by kettlingard {data.get('written_by')}: its format "
            f"{data['version']} is too new for this version (which reads {VERSION})"
        )
    services, problems = {}, {}
    found = data.get("services")
    for name, raw in found.items() if isinstance(found, dict) else ():
        if raw is None:  # forgotten
            continue
        try:
            services[str(name)] = _service(raw)
        except (msgspec.ValidationError, SnapshotError) as why:
            problems[str(name)] = str(why)
    return Snapshot(
        boot=str(data.get("boot", "")),
        daemon=str(data.get("daemon", "")),
        written_by=str(data.get("written_by", "")),
        services=services,
        problems=problems,
        events=_events(data.get("events")),
    )


def _events(raw: object) -> dict[str, tuple[Happening, ...]]:
    """What can be read of it: nobody's life hangs on it."""
    try:
        return msgspec.convert(raw or {}, dict[str, tuple[Happening, ...]])
    except msgspec.ValidationError:
        return {}


def _without_nothing(raw: object) -> object:
    """Keys without a value have their default: to the writer some may have been of no use yet."""
    if not isinstance(raw, dict) or not isinstance(raw.get("specs"), dict):
        return raw
    return {**raw, "specs": _bare(raw["specs"])}


def _bare(data: object) -> object:
    if isinstance(data, dict):
        return {name: _bare(value) for name, value in data.items() if value is not None}
    return [_bare(value) for value in data] if isinstance(data, (list, tuple)) else data


def _service(raw: object) -> ServiceRecord:
    record = msgspec.convert(_without_nothing(raw), ServiceRecord, str_keys=True, strict=False)
    state = record.state
    needed = {state.wanted.generation, *(m.generation for m in state.members.values())}
    missing = needed - set(record.specs)
    if missing:
        raise SnapshotError(f"the definitions of generations {sorted(missing)} are missing")
    policies = policies_of(record.specs[state.wanted.generation])
    return replace(record, state=replace(state, policies=policies))
