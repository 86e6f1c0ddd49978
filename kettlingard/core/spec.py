"""What a definition may say. One field here is the one place of its key.

Type, default, change class, sentence for the reference, and whether this
version can do it: parsing, plan, documentation and `show` all read it here.
A key that is known but `refused` is an error with that reason, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from enum import Enum
from typing import Any

from .values import (
    ADDRESS,
    AUTO,
    BOOL,
    COMMAND,
    DURATION,
    EXIT_STATUS,
    HOST,
    INSTANCES,
    KITTEN,
    LIMIT,
    METHOD,
    MODULE,
    NETWORK,
    OCTAL,
    PATH,
    PREFIX,
    PUBLIC,
    QUOTA,
    RATE,
    RULE,
    RULES,
    SERVICE,
    SHARE,
    SIGNAL,
    SIZE,
    TEXT,
    VARIABLE,
    Kind,
    at_least,
    between,
    choice,
    list_of,
)

Origin = tuple[str, tuple[int, int]]  # file, (line, column)

NOT_YET = "not supported by this version yet"


class Change(Enum):
    """What has to happen when a key's value changes."""

    LIVE = "live"  # applied to what runs
    NEXT = "next start"
    ROLL = "restart"  # rolling
    REBIND = "rebind"  # the listener is opened again


L, N, R, S = Change.LIVE, Change.NEXT, Change.ROLL, Change.REBIND


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key, apart from its name and default."""

    kind: Kind
    change: Change
    doc: str
    refused: str = ""  # why this version does not take it
    required: bool = False


def _key(kind: Kind, default: object, change: Change, doc: str, *, required: bool = False) -> Any:
    metadata = {"key": Key(kind, change, doc, "", required)}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


key_field = _key  # for the tables of other files


def _later(kind: Kind, change: Change, doc: str, why: str = NOT_YET) -> Any:
    """A key that is known and refused."""
    return field(default=None, metadata={"key": Key(kind, change, doc, why)})


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """[service]: the process and its life."""

    kitten: str = _key(KITTEN, "", R, "module:Class of the service; required for type kitten")
    type: str = _key(
        choice("kitten", "notify", "simple"),
        "kitten",
        R,
        "notify = any program, which says by sd_notify when it is ready; simple = ready at once",
    )
    exec: tuple[str, ...] = _key(
        COMMAND, (), R, "command of a program that is no kitten; never a line for a shell"
    )
    python: str = _key(PATH, "", R, "interpreter; the daemon's own where nothing is said")
    python_path: tuple[str, ...] = _key(list_of(PATH), (), R, "folders put first on sys.path")
    description: str = _key(TEXT, "", L, "one line for people")
    documentation: str = _key(TEXT, "", L, "where to read more")
    enabled: bool = _key(BOOL, True, L, "started with the daemon")
    essential: bool = _key(
        BOOL, False, L, "when it ends in failed the daemon ends too, with its code; for containers"
    )
    working_directory: str = _key(PATH, "", R, "default: the service's state folder")
    user: str = _key(TEXT, "", R, "who it runs as; needed with --system, where root is refused")
    group: str = _key(TEXT, "", R, "its group; default: the user's own")
    supplementary_groups: tuple[str, ...] = _key(
        list_of(TEXT), (), R, "more groups than those that the user is in"
    )
    umask: int = _key(OCTAL, 0o027, R, "mode bits that its files do not get")
    nice: int = _key(between(-20, 19), 0, R, "priority; higher yields to others")
    oom_score_adjust: int = _key(
        between(-1000, 1000), 0, R, "how soon the kernel picks it when memory ends"
    )
    environment_file: tuple[str, ...] = _key(
        list_of(PATH), (), R, 'files of NAME=value, read at each start; "-" before one: optional'
    )
    pass_environment: tuple[str, ...] = _key(
        list_of(VARIABLE), (), R, "variables handed on from the daemon's environment"
    )
    listen: tuple[str, ...] = _key(list_of(ADDRESS), (), S, "short form of [[listen]]")
    timeout_start: float = _key(DURATION, 30.0, N, "until it must be ready")
    exec_start_pre: tuple[tuple[str, ...], ...] = _key(
        list_of(COMMAND), (), N, "commands, run once before the first run of a generation"
    )
    restart: str = _key(
        choice("always", "on-failure", "no"), "always", L, "after an end that nobody asked for"
    )
    restart_delay: float = _key(DURATION, 0.25, L, "before the second restart; then it doubles")
    restart_max_delay: float = _key(DURATION, 30.0, L, "the doubling ends here")
    stable_after: float = _key(DURATION, 30.0, L, "ready this long: earlier ends are forgotten")
    start_limit_burst: int = _key(at_least(1), 8, L, "more ends than this: failed")
    start_limit_interval: float = _key(DURATION, 120.0, L, "ends inside this time count")
    retry_after: float = _key(DURATION, 300.0, L, "one try from failed after this; 0 = never")
    success_exit_status: tuple[int, ...] = _key(list_of(EXIT_STATUS), (0,), L, "a good end")
    restart_prevent_exit_status: tuple[int, ...] = _key(
        list_of(EXIT_STATUS), (78,), L, "no sense in trying again"
    )
    timeout_stop: float = _key(DURATION, 30.0, L, "drain and end together, then KILL")
    drain_timeout: float = _key(DURATION, 20.0, L, "for what is in flight; 0 = cut")
    kill_signal: int = _key(SIGNAL, 15, N, "sent two seconds before KILL")
    kill_mode: str = _key(
        choice("group", "process"),
        "group",
        L,
        "whom KILL reaches: all that it started, or it alone",
    )
    watchdog: float = _key(DURATION, 10.0, L, "between two questions to its loop; 0 = off")
    watchdog_timeout: float = _key(DURATION, 5.0, L, "for the answer")
    watchdog_failures: int = _key(at_least(1), 3, L, "so many missed in a row: unresponsive")
    watchdog_action: str = _key(choice("restart", "report"), "restart", L, "what follows")


@dataclass(frozen=True, slots=True)
class PoolKeys:
    """[pool]: how many, and how they come."""

    instances: int = _key(
        INSTANCES, 1, L, 'places to keep filled; "auto" = one for each processor that we may use'
    )
    zygote: bool = _key(BOOL, True, N, "fork from a warm process; false = a fresh interpreter")
    preload: tuple[str, ...] = _key(list_of(MODULE), (), N, "modules imported once in the zygote")
    start_parallelism: int = _key(at_least(1), 2, L, "starts at the same time")
    min_instances: int | None = _key(at_least(0), None, L, "fewest places; 0 = on demand")
    max_instances: int | None = _key(at_least(1), None, L, "most places, by connections in flight")
    idle_timeout: float = _key(DURATION, 0.0, L, "down to min_instances after this; 0 = never")
    recycle_age: float = _key(DURATION, 0.0, L, "renew a run of this age; 0 = never")
    recycle_requests: int = _key(at_least(0), 0, L, "renew a run after so many requests; 0 = never")
    recycle_memory: int = _key(SIZE, 0, L, "renew a run of this size; 0 = never")
    recycle_jitter: float = _key(SHARE, 0.1, L, "part by which these differ among runs")

    @property
    def elastic(self) -> bool:
        """Its size follows its load; else it is what is wanted, a scale included."""
        return self.bounds[0] != self.bounds[1]

    @property
    def bounds(self) -> tuple[int, int]:
        """The fewest and the most places; what is not said is `instances`."""
        least, most = self.min_instances, self.max_instances
        if least is None:
            least = self.instances if most is None else min(self.instances, most)
        return least, max(least, self.instances) if most is None else most

    def resolved(self, processors: int) -> PoolKeys:
        """With a number for "auto", inside of what else it says."""
        if self.instances != AUTO:
            return self
        number = max(processors, self.min_instances or 0)
        most = self.max_instances
        return replace(self, instances=number if most is None else min(number, most))


@dataclass(frozen=True, slots=True)
class DependencyKeys:
    """[dependencies]: after means ready; requires implies after."""

    after: tuple[str, ...] = _key(list_of(SERVICE), (), N, "wait until these are ready")
    requires: tuple[str, ...] = _key(list_of(SERVICE), (), N, "and pull them in")
    wants: tuple[str, ...] = _key(list_of(SERVICE), (), N, "pull in, but go on without")
    binds_to: tuple[str, ...] = _key(
        list_of(SERVICE), (), N, "as requires; and wait while they rest"
    )
    part_of: tuple[str, ...] = _key(list_of(SERVICE), (), N, "stop and restart with these")


@dataclass(frozen=True, slots=True)
class UpdateKeys:
    """[update]: how a new generation replaces the old one."""

    order: str = _key(
        choice("start-first", "stop-first"),
        "start-first",
        L,
        "stop-first where two at once cannot be; recycling heeds it too",
    )
    parallelism: int = _key(at_least(1), 1, L, "places at the same time")
    monitor: float = _key(DURATION, 1.0, L, "ready this long before the old one goes")
    failure_action: str = _key(
        choice("pause", "rollback", "continue"),
        "pause",
        L,
        "when a new run fails: stand still, go back, or go on with the other places",
    )
    api_break: str = _key(
        choice("refuse", "warn", "allow"), "warn", L, "when methods or arguments vanish"
    )


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """[[listen]]: a socket that the supervisor owns from start to end."""

    name: str = _key(TEXT, "", S, "its name", required=True)
    stream: str = _key(ADDRESS, "", S, "host:port, [::]:port or /path.sock", required=True)
    backlog: int = _key(at_least(1), 1024, S, "connections that the kernel keeps waiting")
    socket_mode: int = _key(OCTAL, 0o660, S, "mode of a /path.sock")
    socket_user: str = _key(TEXT, "", S, "owner of a /path.sock; default: kettlingard's")
    socket_group: str = _key(TEXT, "", S, "group of a /path.sock; default: kettlingard's")
    freebind: bool = _key(BOOL, False, S, "listen on an address that is not there yet")
    ipv6_only: bool = _key(BOOL, False, S, "no IPv4 on [::]")
    dispatch: str = _key(
        choice("pass", "share"),
        "pass",
        R,
        "who accepts: kettlingard, which passes connections on, or each worker by itself: a little "
        "faster, but nobody waits for one while none is ready, and they end with their worker",
    )
    balance: str = _key(choice("least", "round-robin"), "least", L, "which worker")
    hold_timeout: float = _key(DURATION, 10.0, L, "wait so long for a ready worker")
    max_held: int = _key(at_least(0), 512, L, "and so many of them")
    proxy_protocol: bool = _key(
        BOOL, False, R, "each connection begins with a PROXY header (1 or 2) that says who calls"
    )
    proxy_from: tuple[str, ...] = _key(
        list_of(NETWORK),
        ("127.0.0.0/8", "::1/128"),
        R,
        "whose PROXY headers count; others are closed",
    )


@dataclass(frozen=True, slots=True)
class SharedListener(ListenerSpec):
    """[[listen]] of kettlingard.toml: a socket whose requests go to services by their [[route]]."""

    head_timeout: float = _key(DURATION, 5.0, L, "for the head of a request, once it has begun")
    max_head: int = _key(SIZE, 16 << 10, L, "bytes of such a head")


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """[[route]]: requests of a listener of kettlingard.toml that are for this service."""

    listen: str = _key(TEXT, "", L, "the name of that listener", required=True)
    host: str = _key(HOST, "", L, "of this host only")
    path: str = _key(PREFIX, "/", L, "of this path and what is below it; the longest wins")
    methods: tuple[str, ...] = _key(list_of(METHOD), (), L, "with these HTTP methods only")

    def __str__(self) -> str:
        return f"{self.listen}: {' '.join(self.methods)} {self.host}{self.path}".replace(
            ":  ", ": "
        )


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """[access]: who else may; the owner of the daemon and root always may."""

    status: tuple[str, ...] = _key(list_of(RULE), (), L, "may look")
    call: tuple[str, ...] = _key(list_of(RULE), (), L, "may call methods")
    control: tuple[str, ...] = _key(list_of(RULE), (), L, "may start and stop")
    methods: Mapping[str, tuple[str, ...]] = _key(RULES, {}, L, "who may call single methods")
    url_file: bool | None = _key(
        BOOL,
        None,
        R,
        "SERVICE.url and .sock in its folder, for clients that know no supervisor; whoever reads it "
        "may call everything; default: with --user and --home, without [access]",
    )
    public_methods: tuple[str, ...] | None = _key(PUBLIC, None, L, "public_* reached by TCP")


@dataclass(frozen=True, slots=True)
class ResourceKeys:
    """[resources]: None = as the daemon has it; -1 = no limit."""

    limit_nofile: int | None = _key(LIMIT, None, R, "open files")
    limit_core: int | None = _key(LIMIT, None, R, "size of a core file")
    limit_nproc: int | None = _key(LIMIT, None, R, "processes of its user")
    memory_high: int | None = _key(SIZE, None, L, "a run is slowed down above this; by cgroup")
    memory_max: int | None = _key(SIZE, None, L, "the kernel ends it above this; by cgroup")
    cpu_quota: str = _key(QUOTA, "", L, "what it may use of a processor; by cgroup")
    tasks_max: int | None = _key(at_least(1), None, L, "its processes and threads; by cgroup")
    no_new_privileges: bool = _key(BOOL, True, R, "no setuid programs below it")


@dataclass(frozen=True, slots=True)
class LogKeys:
    """[log]"""

    target: str = _key(choice("file", "journal", "inherit"), "file", R, "where to")
    format: str = _key(choice("text", "json"), "text", R, "json = one object a line")
    max_size: int = _key(SIZE, 50 << 20, L, "rotated at this size; 0 = never")
    max_age: float = _key(DURATION, 30 * 86400.0, L, "old logs go after this; 0 = never")
    keep: int = _key(at_least(0), 10, L, "old logs of an instance")
    compress: bool = _key(BOOL, True, L, "old logs by gzip")
    level: str = _key(
        choice("debug", "info", "warning", "error", "critical"), "info", L, "least level"
    )
    rate_limit: str = _key(RATE, "2000/10s", L, "more are dropped, and counted in the log")


# table -> its class; [config] and [environment] are free, see parse
TABLES: dict[str, type[Any]] = {
    "service": ServiceKeys,
    "pool": PoolKeys,
    "dependencies": DependencyKeys,
    "update": UpdateKeys,
    "access": AccessKeys,
    "resources": ResourceKeys,
    "log": LogKeys,
}
FREE_TABLES = ("config", "environment", "credentials")
REFUSED_TABLES = {
    "name": "the file's name is the service's name",
}


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service as its definition says; paths are absolute, durations seconds."""

    name: str
    file: str = ""  # the definition
    service: ServiceKeys = ServiceKeys()
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)  # name -> file
    pool: PoolKeys = PoolKeys()
    dependencies: DependencyKeys = DependencyKeys()
    update: UpdateKeys = UpdateKeys()
    listen: tuple[ListenerSpec, ...] = ()
    route: tuple[RouteSpec, ...] = ()
    access: AccessKeys = AccessKeys()
    resources: ResourceKeys = ResourceKeys()
    log: LogKeys = LogKeys()
    given: frozenset[str] = field(default=frozenset(), compare=False)  # tables in the file
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False)  # by dotted key

    @property
    def is_kitten(self) -> bool:
        """Does it speak to us; else it is any program."""
        return self.service.type == "kitten"


# Keys that mean nothing to a program that is no kitten
KITTENS_ONLY = (
    "pool.min_instances", "pool.max_instances", "pool.idle_timeout", "pool.recycle_requests",
    "config", "service.kitten", "service.python", "service.python_path", "service.drain_timeout",
    "service.watchdog_timeout", "pool.zygote", "pool.preload", "access.call", "access.methods",
    "access.public_methods", "access.url_file", "log.level",
)  # fmt: skip
OF_PATHS = ("socket_mode", "socket_user", "socket_group")
OF_ADDRESSES = ("freebind", "ipv6_only")
OF_PASSING = ("balance", "hold_timeout", "max_held")
URL_SOCKET = "url_file"  # the name of the listener of access.url_file
LISTENERS_KITTENS_ONLY = ("dispatch", "proxy_protocol", "proxy_from", *OF_PASSING)


def keys_of(table: type[Any]) -> dict[str, Key]:
    """Name -> Key of a table's class."""
    return {f.name: key_of(f) for f in fields(table)}


def key_of(of: Field[Any]) -> Key:
    """The Key of one field."""
    key = of.metadata["key"]
    assert isinstance(key, Key)
    return key
