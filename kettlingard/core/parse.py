"""The text of a definition -> a ServiceSpec, or all of its problems at once.

Files of one service are laid over each other (drop-ins): tables deep, arrays
replaced; each value remembers where it was written.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import routes
from .hints import hint
from .keys import Key, keys_of
from .listeners import (
    LISTENERS_KITTENS_ONLY,
    OF_ADDRESSES,
    OF_PASSING,
    OF_PATHS,
    URL_SOCKET,
    ListenerSpec,
    RouteSpec,
)
from .reading import Problem, Reading, Source, dotted, lay_over, load
from .scan import KeyPath
from .spec import (
    FREE_TABLES,
    KITTENS_ONLY,
    REFUSED_TABLES,
    TABLES,
    PoolKeys,
    ServiceKeys,
    ServiceSpec,
)
from .values import CREDENTIAL, KITTEN, PATH, TEXT, VARIABLE, is_service_name, show, wrong

__all__ = ["Problem", "Source", "expand", "parse"]

# [config] keys that belong to the daemon
OWNED_PREFIXES = ("worker_listen_", "worker_use_", "worker_log_")
OWNED_KEYS = ("worker_secret", "worker_name", "worker_config", "worker_nice", "worker_umask")

KNOWN = [f"{table}.{key}" for table, cls in TABLES.items() for key in keys_of(cls)]
KNOWN += [*TABLES, *FREE_TABLES, "listen", *(f"listen.{key}" for key in keys_of(ListenerSpec))]
KNOWN += ["route", *(f"route.{key}" for key in keys_of(RouteSpec))]


def parse(name: str, sources: Sequence[Source]) -> ServiceSpec | list[Problem]:
    """Read the definition of service `name`; later sources lie over earlier ones.

    The first that is a file of its own, no table of another one, is the definition.
    """
    file = next((one.file for one in sources if not one.inside), sources[0].file)
    reading = Reading(file)
    if not is_service_name(name):
        why = f'{show(name)} cannot name a service; use small letters, digits, "-" and "_"'
        return [Problem(file, why)]
    data: dict[str, Any] = {}
    for source in sources:
        lay_over(data, load(source, reading), source, reading)
    if reading.problems:
        return reading.problems
    spec = _service(name, data, reading)
    return sorted(reading.problems, key=lambda p: (p.file, p.line)) if reading.problems else spec


def _service(name: str, data: dict[str, Any], reading: Reading) -> ServiceSpec:
    """The spec; wrong only where `reading` has problems."""
    _check_tables(data, reading)
    tables = {
        table: read_table(cls, data.get(table, {}), (table,), reading)
        for table, cls in TABLES.items()
    }
    _check_type(tables["service"], data, reading)
    short = tables["service"].listen
    _check_pool(tables["pool"], reading)
    listen = _listeners(data.get("listen", []), short, reading)
    _check_shared(tables["pool"].resolved(1), listen, reading)
    return ServiceSpec(
        name=name,
        file=reading.file,
        config=_config(data.get("config", {}), reading),
        environment=_environment(data.get("environment", {}), reading),
        credentials=_credentials(data.get("credentials", {}), reading),
        listen=listen,
        route=_routes(data.get("route", []), reading),
        given=frozenset(data),
        origins={dotted(path): origin for path, origin in reading.origins.items()},
        **tables,
    )


def _check_pool(pool: PoolKeys, reading: Reading) -> None:
    pool = pool.resolved(1)
    least, most = pool.bounds
    if least > most:
        why = f"{least} is more than max_instances ({most})"
        reading.problem(("pool", "min_instances"), why, least)
    elif ("pool", "instances") in reading.origins and not least <= pool.instances <= most:
        why = f"{pool.instances} is not between min_instances ({least}) and max_instances ({most})"
        reading.problem(("pool", "instances"), why, pool.instances)


def _check_shared(pool: PoolKeys, listeners: Sequence[ListenerSpec], reading: Reading) -> None:
    """Who counts no connections cannot let their number decide."""
    shared = [one.name for one in listeners if one.dispatch == "share"]
    if shared and pool.elastic:
        why = f'needs dispatch = "pass", but listener {shared[0]} is shared'
        key = "min_instances" if pool.min_instances is not None else "max_instances"
        reading.problem(("pool", key), why)


def _check_type(keys: ServiceKeys, data: dict[str, Any], reading: Reading) -> None:
    """A kitten has a class, another program a command, and no keys of the other one."""
    written = data.get("service", {})
    given = written if isinstance(written, dict) else {}
    if keys.type == "kitten":
        if "kitten" not in given:
            why = f"is missing; write kitten = {KITTEN.name}"
            reading.problem(("service", "kitten"), why)
        if "exec" in given:
            why = 'is for programs that are no kittens; write type = "simple" or "notify" beside it'
            reading.problem(("service", "exec"), why)
        return
    if "exec" not in given:
        reading.problem(("service", "exec"), 'is missing; write exec = ["program", "argument"]')
    for path, (file, _) in reading.origins.items():
        if file in reading.others:
            continue  # what [defaults] says to kittens
        dotted_path = dotted(path)
        listener = path[0] == "listen" and path[-1] in LISTENERS_KITTENS_ONLY
        route = path[0] == "route" and len(path) == 2
        if dotted_path in KITTENS_ONLY or listener or route:
            why = f"means nothing to a program of type {keys.type}; remove it"
            reading.problem(path, why)


def _check_tables(data: dict[str, Any], reading: Reading) -> None:
    for table, value in data.items():
        known = table in TABLES or table in FREE_TABLES
        if table in REFUSED_TABLES:
            reading.problem((table,), REFUSED_TABLES[table], value)
        elif known and not isinstance(value, dict):
            reading.problem((table,), str(wrong(value, f"a table: write [{table}]")), value)
        elif not known and table not in {"listen", "route"}:
            reading.problem((table,), "unknown key", None, hint(table, "", KNOWN))


def read_table(
    cls: type[Any],
    data: object,
    path: KeyPath,
    reading: Reading,
    known: Sequence[str] = (),
) -> Any:
    """One table as its class; keys that cannot be read keep their default."""
    keys = keys_of(cls)
    given = data if isinstance(data, dict) else {}
    values: dict[str, Any] = {}
    for name, value in given.items():
        key = keys.get(name)
        if key is None:
            reading.problem(
                (*path, name), "unknown key", None, hint(name, str(path[0]), known or KNOWN)
            )
        else:
            _read(values, key, value, (*path, name), reading)
    for name, key in keys.items():
        if key.required and name not in given:
            reading.problem((*path, name), f"is missing; write {name} = {key.kind.name}")
    return cls(**values)


def _read(values: dict[str, Any], key: Key, value: object, path: KeyPath, reading: Reading) -> None:
    try:
        result = key.kind.read(value)
    except ValueError as e:
        reading.problem(path, str(e), value)
        return
    folder = reading.folder(path)
    values[str(path[-1])] = _from_folder(result, folder) if key.kind.is_path else result


def _from_folder(value: Any, folder: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_from_folder(item, folder) for item in value)
    if value.startswith("-"):  # an optional environment file
        return "-" + _from_folder(value[1:], folder)
    return posixpath.normpath(posixpath.join(folder, value)) if value else ""


def _config(data: object, reading: Reading) -> dict[str, Any]:
    given = data if isinstance(data, dict) else {}
    for name, value in given.items():
        low = name.lower()
        folder = low.startswith("app_") and low.endswith("_dir")
        if folder or low in OWNED_KEYS or low.startswith(OWNED_PREFIXES):
            reading.problem(("config", name), "is set by kettlingard; remove it", value)
    return given


def _environment(data: object, reading: Reading) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in (data if isinstance(data, dict) else {}).items():
        path = ("environment", name)
        try:
            values[VARIABLE.read(name)] = TEXT.read(value)
        except ValueError as e:
            reading.problem(path, str(e), value)
        if name.startswith("KETTLINGARD_"):
            reading.problem(path, "is set by kettlingard; remove it", value)
    return values


def _credentials(data: object, reading: Reading) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in (data if isinstance(data, dict) else {}).items():
        path = ("credentials", name)
        try:
            values[CREDENTIAL.read(name)] = _from_folder(PATH.read(value), reading.folder(path))
        except ValueError as e:
            reading.problem(path, str(e), value)
    return values


def _listeners(data: object, short: Iterable[str], reading: Reading) -> tuple[ListenerSpec, ...]:
    """[[listen]], and service.listen as if it were written so: named by its address."""
    found: list[ListenerSpec] = read_listeners(ListenerSpec, data, reading)
    long = len(found)
    found += [ListenerSpec(name=address, stream=address) for address in short]
    for number in repeated_names(found):
        path: KeyPath = ("listen", number, "name") if number < long else ("service", "listen")
        reading.problem(path, "this name is taken by another listener", found[number].name)
    return tuple(found)


def read_listeners(cls: type[Any], data: object, reading: Reading) -> list[Any]:
    """[[listen]], of a service or of kettlingard.toml."""
    found = read_tables(cls, data, "listen", reading)
    given = data if isinstance(data, list) else []
    for number, listener in enumerate(found):
        check_listener(listener, given[number], number, reading)
    return found


def repeated_names(listeners: Sequence[ListenerSpec]) -> list[int]:
    """The numbers of those that have the name of one before them."""
    names = [one.name for one in listeners]
    return [n for n, name in enumerate(names) if name and name in names[:n]]


def _routes(data: object, reading: Reading) -> tuple[RouteSpec, ...]:
    found: list[RouteSpec] = read_tables(RouteSpec, data, "route", reading)
    for number in routes.clashes(found) if not reading.problems else ():
        reading.problem(("route", number), "another route of this file says the same")
    return tuple(found)


def read_tables(cls: type[Any], data: object, name: str, reading: Reading) -> list[Any]:
    """[[name]]: each as its class."""
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        reading.problem((name,), str(wrong(data, f"a list of tables: write [[{name}]]")), data)
        return []
    return [read_table(cls, item, (name, n), reading) for n, item in enumerate(data)]


def check_listener(
    listener: ListenerSpec, given: Mapping[str, Any], number: int, reading: Reading
) -> None:
    """Keys that mean nothing for what it listens on."""
    path = listener.stream.startswith("/")
    for name in OF_ADDRESSES if path else OF_PATHS:
        if name in given and listener.stream:
            why = f"means nothing for {'a path' if path else 'host:port'}; remove it"
            reading.problem(("listen", number, name), why)
    for name in OF_PASSING if listener.dispatch == "share" else ():
        if name in given:
            why = 'means nothing with dispatch = "share"; remove it'
            reading.problem(("listen", number, name), why)
    if "proxy_from" in given and not listener.proxy_protocol:
        why = "means nothing without proxy_protocol = true"
        reading.problem(("listen", number, "proxy_from"), why)
    if listener.name == URL_SOCKET:
        reading.problem(("listen", number, "name"), "is taken: access.url_file listens by it")


def expand(config: Mapping[str, Any], name: str, instance: int) -> dict[str, Any]:
    """[config] for one instance: %i and %n in its texts, at any depth."""
    return {key: _expand(value, name, instance) for key, value in config.items()}


def _expand(value: Any, name: str, instance: int) -> Any:
    if isinstance(value, str):
        return value.replace("%i", str(instance)).replace("%n", name)
    if isinstance(value, list):
        return [_expand(item, name, instance) for item in value]
    if isinstance(value, dict):
        return expand(value, name, instance)
    return value
