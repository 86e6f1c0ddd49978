"""A definition and an identity -> the process to start. Makes its folders and opens its log."""

from __future__ import annotations

import errno
import logging
import os
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kettlingar.transport.messages import Setup
from kettlingard.core.environment import parse_environment_file, worker_environment
from kettlingard.core.parse import expand
from kettlingard.core.spec import ServiceSpec
from kettlingard.core.values import rate_of
from kettlingard.errors import PathError, SpawnError
from kettlingard.host.files import private_dir, read_small
from kettlingard.host.journal import open_journal
from kettlingard.host.limits import OpenFiles
from kettlingard.host.logs import open_log
from kettlingard.host.meeting import make_meeting
from kettlingard.host.spawn import SpawnRequest

log = logging.getLogger(__name__)

CHANNEL = 3  # the number of its channel in a worker
MAX_ENVIRONMENT_FILE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Launch:
    """One run to be: who it is, and all that it is made from."""

    service: str
    instance: int
    run: int
    spec: ServiceSpec
    secret: str
    url_file: bool
    state_dir: Path
    log_file: Path
    open_files: OpenFiles
    mark: str  # random; the environment of the run and of what it starts holds it
    meetings: Path | None = None  # folder of the sockets at which workers are found again

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
            url_file=self.url_file,
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
        return SpawnRequest(
            argv=[keys.python or sys.executable, "-P", "-m", "kettlingar", "run"],
            env=self._environment(),
            cwd=keys.working_directory or str(self._folder()),
            fds=[(channel, CHANNEL)],
            stdout_fd=log,
            umask=keys.umask,
            nice=keys.nice,
            rlimits=self._limits(),
            no_new_privileges=self.spec.resources.no_new_privileges,
        )

    def _folder(self) -> Path:
        try:
            return private_dir(self.state_dir)
        except PathError as why:
            raise SpawnError("folder", errno.EACCES, str(why)) from why

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

    def _environment(self) -> dict[str, str]:
        keys = self.spec.service
        own = {
            "KETTLINGARD_CHANNEL": str(CHANNEL),
            "KETTLINGARD_SERVICE": self.service,
            "KETTLINGARD_INSTANCE": str(self.instance),
            "KETTLINGARD_RUN": self.mark,
        }
        files = [_variables(name) for name in keys.environment_file]
        return worker_environment(
            os.environ, keys.pass_environment, files, self.spec.environment, own
        )


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
