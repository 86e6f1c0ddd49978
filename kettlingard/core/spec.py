"""What a definition may say. One field here is the one place of its key.

Type, default, change class and sentence for the reference: parsing, plan,
documentation and `show` all read it here. Sockets are in listeners.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .addresses import ADDRESS
from .amounts import DURATION, QUOTA, RATE, SHARE, SIZE
from .keys import L, N, R, S, key_field
from .listeners import ListenerSpec, RouteSpec
from .values import (
    AUTO,
    BOOL,
    COMMAND,
    EXIT_STATUS,
    INSTANCES,
    KITTEN,
    LIMIT,
    MODULE,
    OCTAL,
    PATH,
    PUBLIC,
    RULE,
    RULES,
    SERVICE,
    SIGNAL,
    TEXT,
    VARIABLE,
    at_least,
    between,
    choice,
    list_of,
)

Origin = tuple[str, tuple[int, int]]  # file, (line, column)


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """[service]: the process and its life."""

    kitten: str = key_field(KITTEN, "", R, "module:Class of the service; required for type kitten")
    type: str = key_field(
        choice("kitten", "notify", "simple"),
        "kitten",
        R,
        "notify = any program, which says by sd_notify when it is ready; simple = ready at once",
    )
    exec: tuple[str, ...] = key_field(
        COMMAND, (), R, "command of a program that is no kitten; never a line for a shell"
    )
    python: str = key_field(PATH, "", R, "interpreter; the daemon's own where nothing is said")
    python_path: tuple[str, ...] = key_field(list_of(PATH), (), R, "folders put first on sys.path")
    description: str = key_field(TEXT, "", L, "one line for people")
    documentation: str = key_field(TEXT, "", L, "where to read more")
    enabled: bool = key_field(BOOL, True, L, "started with the daemon")
    essential: bool = key_field(
        BOOL, False, L, "when it ends in failed the daemon ends too, with its code; for containers"
    )
    working_directory: str = key_field(PATH, "", R, "default: the service's state folder")
    user: str = key_field(
        TEXT, "", R, "who it runs as; needed with --system, where root is refused"
    )
    group: str = key_field(TEXT, "", R, "its group; default: the user's own")
    supplementary_groups: tuple[str, ...] = key_field(
        list_of(TEXT), (), R, "more groups than those that the user is in"
    )
    umask: int = key_field(OCTAL, 0o027, R, "mode bits that its files do not get")
    nice: int = key_field(
        between(-20, 19),
        0,
        R,
        "priority, whatever kettlingard's is; higher yields to others; 0: as kettlingard's",
    )
    oom_score_adjust: int = key_field(
        between(-1000, 1000), 0, R, "how soon the kernel picks it when memory ends"
    )
    environment_file: tuple[str, ...] = key_field(
        list_of(PATH), (), R, 'files of NAME=value, read at each start; "-" before one: optional'
    )
    pass_environment: tuple[str, ...] = key_field(
        list_of(VARIABLE), (), R, "variables handed on from the daemon's environment"
    )
    listen: tuple[str, ...] = key_field(list_of(ADDRESS), (), S, "short form of [[listen]]")
    timeout_start: float = key_field(DURATION, 30.0, N, "until it must be ready")
    exec_start_pre: tuple[tuple[str, ...], ...] = key_field(
        list_of(COMMAND), (), N, "commands, run once before the first run of a generation"
    )
    restart: str = key_field(
        choice("always", "on-failure", "no"), "always", L, "after an end that nobody asked for"
    )
    restart_delay: float = key_field(
        DURATION, 0.25, L, "before the second restart; then it doubles"
    )
    restart_max_delay: float = key_field(
        DURATION, 30.0, L, "the doubling ends here; all wait so long while most services fail"
    )
    stable_after: float = key_field(
        DURATION, 30.0, L, "ready this long: earlier ends are forgotten"
    )
    start_limit_burst: int = key_field(at_least(1), 8, L, "more ends than this: failed")
    start_limit_interval: float = key_field(DURATION, 120.0, L, "ends inside this time count")
    retry_after: float = key_field(DURATION, 300.0, L, "one try from failed after this; 0 = never")
    success_exit_status: tuple[int, ...] = key_field(list_of(EXIT_STATUS), (0,), L, "a good end")
    restart_prevent_exit_status: tuple[int, ...] = key_field(
        list_of(EXIT_STATUS), (78,), L, "no sense in trying again"
    )
    timeout_stop: float = key_field(DURATION, 30.0, L, "drain and end together, then KILL")
    drain_timeout: float = key_field(DURATION, 20.0, L, "for what is in flight; 0 = cut")
    kill_signal: int = key_field(SIGNAL, 15, N, "sent two seconds before KILL")
    kill_mode: str = key_field(
        choice("group", "process"),
        "group",
        L,
        "whom KILL reaches: all that it started, or it alone",
    )
    watchdog: float = key_field(DURATION, 10.0, L, "between two questions to its loop; 0 = off")
    watchdog_timeout: float = key_field(DURATION, 5.0, L, "for the answer")
    watchdog_failures: int = key_field(at_least(1), 3, L, "so many missed in a row: unresponsive")
    watchdog_action: str = key_field(choice("restart", "report"), "restart", L, "what follows")


@dataclass(frozen=True, slots=True)
class PoolKeys:
    """[pool]: how many, and how they come."""

    instances: int = key_field(
        INSTANCES, 1, L, 'places to keep filled; "auto" = one for each processor that we may use'
    )
    zygote: bool = key_field(BOOL, True, N, "fork from a warm process; false = a fresh interpreter")
    preload: tuple[str, ...] = key_field(
        list_of(MODULE), (), N, "modules imported once in the zygote"
    )
    start_parallelism: int = key_field(at_least(1), 2, L, "starts at the same time")
    min_instances: int | None = key_field(at_least(0), None, L, "fewest places; 0 = on demand")
    max_instances: int | None = key_field(
        at_least(1), None, L, "most places, by connections in flight"
    )
    idle_timeout: float = key_field(DURATION, 0.0, L, "down to min_instances after this; 0 = never")
    recycle_age: float = key_field(DURATION, 0.0, L, "renew a run of this age; 0 = never")
    recycle_requests: int = key_field(
        at_least(0), 0, L, "renew a run after so many requests; 0 = never"
    )
    recycle_memory: int = key_field(SIZE, 0, L, "renew a run of this size; 0 = never")
    recycle_jitter: float = key_field(SHARE, 0.1, L, "part by which these differ among runs")

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

    after: tuple[str, ...] = key_field(list_of(SERVICE), (), N, "wait until these are ready")
    requires: tuple[str, ...] = key_field(list_of(SERVICE), (), N, "and pull them in")
    wants: tuple[str, ...] = key_field(list_of(SERVICE), (), N, "pull in, but go on without")
    binds_to: tuple[str, ...] = key_field(
        list_of(SERVICE), (), N, "as requires; and wait while they rest"
    )
    part_of: tuple[str, ...] = key_field(list_of(SERVICE), (), N, "stop and restart with these")


@dataclass(frozen=True, slots=True)
class UpdateKeys:
    """[update]: how a new generation replaces the old one."""

    order: str = key_field(
        choice("start-first", "stop-first"),
        "start-first",
        L,
        "stop-first where two at once cannot be; recycling heeds it too",
    )
    parallelism: int = key_field(at_least(1), 1, L, "places at the same time")
    monitor: float = key_field(DURATION, 1.0, L, "ready this long before the old one goes")
    failure_action: str = key_field(
        choice("pause", "rollback", "continue"),
        "pause",
        L,
        "when a new run fails: stand still, go back, or go on with the other places",
    )
    api_break: str = key_field(
        choice("refuse", "warn", "allow"), "warn", L, "when methods or arguments vanish"
    )


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """[access]: who else may; the owner of the daemon and root always may."""

    status: tuple[str, ...] = key_field(list_of(RULE), (), L, "may look")
    call: tuple[str, ...] = key_field(list_of(RULE), (), L, "may call methods")
    control: tuple[str, ...] = key_field(list_of(RULE), (), L, "may start and stop")
    methods: Mapping[str, tuple[str, ...]] = key_field(RULES, {}, L, "who may call single methods")
    url_file: bool | None = key_field(
        BOOL,
        None,
        R,
        "SERVICE.url and .sock in its folder, for clients that know no supervisor; whoever reads it "
        "may call everything; default: with --user and --home, without [access]",
    )
    public_methods: tuple[str, ...] | None = key_field(PUBLIC, None, L, "public_* reached by TCP")


@dataclass(frozen=True, slots=True)
class ResourceKeys:
    """[resources]: None = as the daemon has it; -1 = no limit."""

    limit_nofile: int | None = key_field(LIMIT, None, R, "open files")
    limit_core: int | None = key_field(LIMIT, None, R, "size of a core file")
    limit_nproc: int | None = key_field(LIMIT, None, R, "processes of its user")
    memory_high: int | None = key_field(SIZE, None, L, "a run is slowed down above this; by cgroup")
    memory_max: int | None = key_field(SIZE, None, L, "the kernel ends it above this; by cgroup")
    cpu_quota: str = key_field(QUOTA, "", L, "what it may use of a processor; by cgroup")
    tasks_max: int | None = key_field(at_least(1), None, L, "its processes and threads; by cgroup")
    no_new_privileges: bool = key_field(BOOL, True, R, "no setuid programs below it")


@dataclass(frozen=True, slots=True)
class LogKeys:
    """[log]"""

    target: str = key_field(choice("file", "journal", "inherit"), "file", R, "where to")
    format: str = key_field(choice("text", "json"), "text", R, "json = one object a line")
    max_size: int = key_field(SIZE, 50 << 20, L, "rotated at this size; 0 = never")
    max_age: float = key_field(DURATION, 30 * 86400.0, L, "old logs go after this; 0 = never")
    keep: int = key_field(at_least(0), 10, L, "old logs of an instance")
    compress: bool = key_field(BOOL, True, L, "old logs by gzip")
    level: str = key_field(
        choice("debug", "info", "warning", "error", "critical"), "info", L, "least level"
    )
    rate_limit: str = key_field(RATE, "2000/10s", L, "more are dropped, and counted in the log")


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
