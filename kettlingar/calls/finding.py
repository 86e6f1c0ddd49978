"""Where is the service called X? The supervisor is asked first, then this user's state files."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from kettlingar.errors import NotFound, NotRunning, Unavailable

from .asking import AskedEndpoint, own_asker
from .client import Client
from .endpoints import Endpoint, FileEndpoint, Link, PathEndpoint


def control_paths() -> list[Path]:
    """Return where a supervisor's control socket may be, the likeliest first."""
    asked = os.environ.get("KETTLINGARD_SOCKET")
    if asked:
        return [Path(asked)]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    mine = [Path(runtime) / "kettlingard" / "control.sock"] if runtime else []
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    mine.append(Path(state) / "kettlingard" / "run" / "control.sock")
    return [*mine, Path("/run/kettlingard/control.sock")]


class SupervisorEndpoint:
    """Connections that the supervisor hands out, authorised by who asks (SERVICES.md, 6)."""

    def __init__(self, control: Path, service: str) -> None:
        self._control = control
        self._service = service
        self.url: str | None = None
        self.address: Any = f"{service} by {control}"
        self.secret: str | None = None  # never seen here

    async def open(self, *, allow_unix: bool = True) -> Link:
        """Ask for a connected socket. PermissionError, NotFound or NotRunning say why not."""
        client = Client(PathEndpoint(self._control))
        try:
            (sock,) = await client.call("connect", self._service)
        except Unavailable as none_ready:
            raise NotRunning(f"cannot reach {self._service}: {none_ready}") from none_ready
        finally:
            client.close()
        if not isinstance(sock, socket.socket):
            raise NotRunning(f"cannot reach {self._service}: the supervisor gave no connection")
        sock.setblocking(False)
        return Link(sock)


async def connect(name: str) -> Client:
    """Return a client for the service `name`, without importing its module.

    The service is looked for at the supervisor first, then by the files that a
    service of this user leaves in its state directory. NotRunning if nobody answers.
    """
    return await Client(await endpoint_for(name)).connect(retry=0)


async def endpoint_for(name: str) -> Endpoint:
    """Return where `name` (a service, `APP` or `APP/WORKER`) can be reached.

    NotRunning lists where it was looked for.
    """
    tried: list[str] = []
    for endpoint in _by_supervisor(name):
        try:
            link = await endpoint.open()
        except (NotRunning, NotFound) as error:
            tried.append(str(error))
            continue
        link.sock.close()
        return endpoint
    found = list(_published(name))
    if len(found) > 1:
        names = ", ".join(f"{name.partition('/')[0]}/{worker}" for _, worker in found)
        raise NotRunning(f"cannot tell which service {name!r} is: there are {names}; say which")
    if found:
        return FileEndpoint(*found[0])
    raise NotRunning(f"cannot find a service called {name!r}: {'; '.join(tried)}")


def _by_supervisor(name: str) -> list[Endpoint]:
    """A service asks over its own channel, which says who it is; others at the control socket."""
    asker = own_asker()
    if asker is not None:
        return [AskedEndpoint(asker, name)]
    return [SupervisorEndpoint(control, name) for control in control_paths()]


def _published(name: str) -> list[tuple[Path, str]]:
    from kettlingar.config.paths import state_dir

    app, _, worker = name.partition("/")
    folder = state_dir(app)
    if worker:
        return [(folder, worker)] if (folder / f"{worker}.url").exists() else []
    return [(folder, path.stem) for path in sorted(folder.glob("*.url"))]
