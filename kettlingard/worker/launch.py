"""A definition and an identity -> the process to start. Makes its folders and opens its log."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from kettlingar.transport.messages import Setup
from kettlingard.core import limits
from kettlingard.core.amounts import rate_of
from kettlingard.core.environment import parse_environment_file, worker_environment
from kettlingard.core.parse import expand
from kettlingard.core.spec import ServiceSpec
from kettlingard.errors import PathError, SpawnError
from kettlingard.host import cgroup
from kettlingard.host.accounts import Account, account, is_ours
from kettlingard.host.cgroup import Cgroups
from kettlingard.host.fifo import make_fifo, open_fifo
from kettlingard.host.files import private_dir, read_small
from kettlingard.host.given import give_files, give_folder, take_back
from kettlingard.host.journal import open_journal
from kettlingard.host.limits import OpenFiles
from kettlingard.host.logs import open_log
from kettlingard.host.meeting import make_meeting
from kettlingard.host.notify import make_notify
from kettlingard.host.spawn import Child, Ids, SpawnRequest

from .pulse import Rhythms

log = logging.getLogger(__name__)

CHANNEL = 3  # the number of its channel in a worker
MAX_ENVIRONMENT_FILE = 1 << 20  # bytes
NO_CGROUPS = Cgroups(None)


class Launch(Struct, frozen=True):
    """One run to be: who it is, and all that it is made from."""

    service: str
    instance: int
    run: int
    spec: ServiceSpec
    secret: str
    state_dir: Path
    log_file: Path
    open_files: OpenFiles
    mark: str  # random; the environment of the run and of what it starts holds it
    rhythms: Rhythms  # in which workers are asked whether they are alive
    meetings: Path | None = None  # folder of the sockets at which workers are found again
    listeners: Callable[[], list[tuple[str, int]]] = list  # copies, for a program; the caller's
    forked: Callable[[Child], object] = id  # a program's process begins after this has returned
    generation: int = 0  # exec_start_pre runs before its first run; 0: it has been run
    cgroups: Cgroups = NO_CGROUPS

    def setup(self) -> Setup:
        """What the worker is told over its channel."""
        spec = self.spec
        return Setup(
            service=self.service,
            instance=self.instance,
            run=self.run,
            kitten=spec.service.kitten,
            secret=self.secret,
            config=expand(spec.config, self.service, self.instance),
            python_path=list(spec.service.python_path),
            state_dir=str(self.state_dir),
            public_methods=_listed(spec.access.public_methods),
            log_level=spec.log.level,
            log_format=spec.log.format,
            log_rate=rate_of(spec.log.rate_limit),
            drain_timeout=spec.service.drain_timeout,
            mark=self.mark,
            owner=os.geteuid(),
        )

    def meeting(self) -> list[int]:
        """The socket on which the worker is to wait for the next supervisor, if it can be made."""
        if self.meetings is None:
            return []
        try:
            return [make_meeting(self.meetings / f"{self.mark}.sock").detach()]
        except OSError as why:
            log.warning("worker cannot be adopted later service=%s: %s", self.service, why)
            return []

    def tidy(self) -> None:
        """The run has ended: nobody will look for it."""
        if self.meetings is not None:
            with suppress(OSError):
                (self.meetings / f"{self.mark}.sock").unlink(missing_ok=True)
        if not self.spec.is_kitten and self.meetings is not None:
            with suppress(OSError):
                self._notify.unlink(missing_ok=True)
        if self.spec.credentials:
            take_back(self._credentials)
        if self.cgroup is not None:
            cgroup.remove(self.cgroup)  # where somebody is still dying, it goes with the next run

    def open_log(self) -> int:
        """The descriptor that it will write to. Raise SpawnError."""
        target = self.spec.log.target
        try:
            if target == "journal":
                return open_journal(self.service)
            return open_log(self.log_file) if target == "file" else os.dup(sys.stderr.fileno())
        except OSError as why:
            subject = str(self.log_file) if target == "file" else f"log.target = {target}"
            raise SpawnError("log", why.errno or errno.EIO, subject) from why

    def request(self, channel: int, log: int) -> SpawnRequest:
        """The process to start, with these two of our descriptors. Raise SpawnError."""
        keys = self.spec.service
        own = {"KETTLINGARD_CHANNEL": str(CHANNEL)}
        argv = [keys.python or sys.executable, "-P", "-m", "kettlingar", "run"]
        return self.command(argv, log, [(channel, CHANNEL)], own)

    @property
    def fifo(self) -> Path | None:
        """By which a program's lines come, where they are to be written to a file."""
        if self.spec.is_kitten or self.spec.log.target != "file" or self.meetings is None:
            return None
        return self._programs / f"{self.mark}.fifo"

    @property
    def _programs(self) -> Path:
        assert self.meetings is not None
        return self.meetings.parent / "programs"

    @property
    def _notify(self) -> Path:
        return self._programs / f"{self.mark}.sock"

    def notify_socket(self) -> socket.socket:
        """Where it says that it is ready. Raise SpawnError."""
        try:
            return make_notify(self._notify)
        except OSError as why:
            raise SpawnError("notify", why.errno or errno.EIO, str(self._notify)) from why

    def open_output(self) -> int:
        """The descriptor that a program writes its lines to. Raise SpawnError."""
        if self.fifo is None:
            return self.open_log()
        try:
            self.make_output()
            return open_fifo(self.fifo, blocking=True)
        except OSError as why:
            raise SpawnError("log", why.errno or errno.EIO, str(self.fifo)) from why

    def make_output(self) -> None:
        """Have the FIFO there by which a program's lines come. Raise OSError."""
        assert self.fifo is not None
        self._programs.mkdir(mode=0o711, parents=True, exist_ok=True)
        make_fifo(self.fifo)

    def program(self, output: int, listeners: Sequence[tuple[str, int]]) -> SpawnRequest:
        """The process of a program that is no kitten. Raise SpawnError."""
        keys, own = self.spec.service, {}
        if keys.type == "notify":
            own["NOTIFY_SOCKET"] = str(self._notify)
            if keys.watchdog:
                own["WATCHDOG_USEC"] = str(int(keys.watchdog * 1e6))
        if listeners:
            own["LISTEN_FDS"] = str(len(listeners))
            own["LISTEN_FDNAMES"] = ":".join(name.replace(":", "_") for name, _ in listeners)
        fds = [(fd, CHANNEL + number) for number, (_, fd) in enumerate(listeners)]
        return self.command(keys.exec, output, fds, own)

    def command(
        self,
        argv: Sequence[str],
        log: int,
        fds: Sequence[tuple[int, int]] = (),
        own: Mapping[str, str] | None = None,
    ) -> SpawnRequest:
        """A process with all that this run has: user, folder, environment, limits.

        Raise SpawnError.
        """
        keys = self.spec.service
        who = account_of(self.spec)
        ids = other_ids(who)
        folder = self._folder(ids)
        return SpawnRequest(
            argv=[self._path_of(argv[0]), *argv[1:]],
            env=self._environment(who, {**self._given(ids), **(own or {})}),
            cwd=keys.working_directory or str(folder),
            fds=fds,
            stdout_fd=log,
            umask=keys.umask,
            nice=keys.nice,
            oom_score_adjust=keys.oom_score_adjust,
            rlimits=self._limits(),
            no_new_privileges=self.spec.resources.no_new_privileges,
            ids=ids,
            cgroup=self._grouped(),
        )

    @property
    def cgroup(self) -> Path | None:
        """The control group of this run; None where it has none of its own."""
        folder = self.cgroups.folder
        if folder is None:
            return None
        spared = cgroup.SPARED if self.spec.service.kill_mode == "process" else ""
        return folder / f"{self.service}.{self.instance}.{self.mark}{spared}"

    def _grouped(self) -> str:
        """Make its control group. Raise SpawnError if it is to be limited and cannot be."""
        group = self.cgroup if self.mark else None
        if group is None:
            return ""
        keys = self.spec.resources
        wanted = limits.given(keys)
        cgroup.remove_empty(group.parent, f"{self.service}.{self.instance}.")
        try:
            self.cgroups.make(group.name, limits.contents(keys, wanted))
        except OSError as why:
            if wanted:
                raise SpawnError("cgroup", why.errno or errno.EIO, str(why.filename)) from why
            log.warning("no control group service=%s: %s", self.service, why)
            return ""
        return str(group)

    def _path_of(self, program: str) -> str:
        """A relative path counts from the definition's folder; a bare name is looked up in PATH."""
        if "/" not in program:
            return program
        return os.path.join(os.path.dirname(self.spec.file), program)

    def _folder(self, ids: Ids | None) -> Path:
        try:
            return private_dir(self.state_dir) if ids is None else give_folder(self.state_dir, ids)
        except (PathError, OSError) as why:
            raise SpawnError("folder", errno.EACCES, str(why)) from why

    @property
    def _credentials(self) -> Path:
        assert self.meetings is not None
        return self.meetings.parent / "credentials" / self.mark

    def _given(self, ids: Ids | None) -> dict[str, str]:
        """Copy the [credentials] to where only this run reads them; the variable that says where."""
        if not self.spec.credentials or self.meetings is None:
            return {}
        if not self._credentials.exists():
            try:
                give_files(self._credentials, self.spec.credentials, ids)
            except OSError as why:
                raise SpawnError(
                    "credentials", why.errno or errno.EIO, str(why.filename or self._credentials)
                ) from why
            except PathError as why:
                raise SpawnError("credentials", errno.EINVAL, str(why)) from why
        return {"CREDENTIALS_DIRECTORY": str(self._credentials)}

    def _limits(self) -> list[tuple[int, int, int]]:
        keys = self.spec.resources
        given = {
            resource.RLIMIT_NOFILE: keys.limit_nofile,
            resource.RLIMIT_CORE: keys.limit_core,
            resource.RLIMIT_NPROC: keys.limit_nproc,
        }
        limits = [(which, value, value) for which, value in given.items() if value is not None]
        if keys.limit_nofile is None:
            limits.append((resource.RLIMIT_NOFILE, self.open_files.soft, self.open_files.hard))
        return limits

    def _environment(self, who: Account | None, more: Mapping[str, str]) -> dict[str, str]:
        keys = self.spec.service
        own = {
            "KETTLINGARD_SERVICE": self.service,
            "KETTLINGARD_INSTANCE": str(self.instance),
            "KETTLINGARD_RUN": self.mark,
            **more,
        }
        ours = dict(os.environ)
        if who is not None:
            ours |= who.variables
            if who.ids.uid != os.geteuid():
                ours.pop("XDG_RUNTIME_DIR", None)
        files = [_variables(name) for name in keys.environment_file]
        return worker_environment(ours, keys.pass_environment, files, self.spec.environment, own)


def account_of(spec: ServiceSpec) -> Account | None:
    """The user of a service, if it says one. Raise SpawnError if there is none of that name."""
    keys = spec.service
    if not keys.user:
        return None
    try:
        return account(keys.user, keys.group, keys.supplementary_groups)
    except ValueError as why:
        raise SpawnError("user", errno.ESRCH, str(why)) from why


def other_ids(who: Account | None) -> Ids | None:
    """The rights that a process must be given; None if they are ours."""
    return who.ids if who is not None and not is_ours(who.ids) else None


def _variables(name: str) -> dict[str, str]:
    """The variables of one file, which "-" before its name makes optional."""
    path = Path(name.removeprefix("-"))
    try:
        return parse_environment_file(read_small(path, MAX_ENVIRONMENT_FILE).decode())
    except FileNotFoundError as why:
        if name.startswith("-"):
            return {}
        raise SpawnError("environment_file", errno.ENOENT, str(path)) from why
    except OSError as why:
        raise SpawnError("environment_file", why.errno or errno.EIO, str(path)) from why
    except (PathError, ValueError) as why:
        raise SpawnError("environment_file", errno.EINVAL, f"{path}: {why}") from why


def _listed(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)
