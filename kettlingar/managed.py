"""Is a service a supervisor's? Then it is started, stopped and reached through that."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from kettlingar.config.schema import DEFAULT

from .calls.client import Client
from .calls.endpoints import PathEndpoint
from .calls.finding import SupervisorEndpoint, control_paths
from .errors import HttpError, NotRunning, Unavailable
from .sync import connect_control

if TYPE_CHECKING:
    from .kitten import RPCKitten

_OWN = ("app_name", "worker_name", "app_state_dir")


class Managed(Struct, frozen=True):
    """A service as its supervisor knows it."""

    control: Path
    name: str

    def endpoint(self) -> SupervisorEndpoint:
        """Where its connections come from."""
        return SupervisorEndpoint(self.control, self.name)

    def open(self) -> socket.socket:
        """Return a connected socket, as the blocking client needs it."""
        control = connect_control(self.control)
        try:
            (sock,) = control.call("connect", self.name)
        except Unavailable as none_ready:
            raise NotRunning(f"cannot reach {self.name}: {none_ready}") from none_ready
        finally:
            control.close()
        assert isinstance(sock, socket.socket)
        return sock

    async def quit(self) -> dict[str, str]:
        """Stop it, as its `quitquitquit` does where nobody manages it."""
        await self.command("stop")
        return {"mimetype": "text/plain", "data": "Goodbye!\n"}

    async def command(self, word: str) -> None:
        """`start`, `stop` or `restart` it, and wait. Unavailable says how it went wrong."""
        client = Client(PathEndpoint(self.control))
        last: dict[str, Any] = {}
        try:
            async for item in await client.call(word, [self.name]):
                last = item
        finally:
            client.close()
        if not last.get("ok"):
            why = "it takes too long" if last.get("timed_out") else f"{last.get('services')}"
            raise Unavailable(f"cannot {word} {self.name}: {why}; see `kettlingar ctl status`")


async def manager_of(kitten: RPCKitten) -> Managed | None:
    """Return who manages this kitten's service; None: nobody, it has files of its own.

    One that was given another name or folder is a service of its own.
    """
    if any(kitten.config.origin(name) != DEFAULT for name in _OWN):
        return None
    spec = spec_of(type(kitten))
    for control in control_paths():
        if not control.exists():
            continue
        client = Client(PathEndpoint(control))
        try:
            said = await client.call("status")
        except (OSError, HttpError):
            continue
        finally:
            client.close()
        names = [one["name"] for one in said["services"] if one["kitten"] == spec]
        if len(names) > 1:
            listed = ", ".join(sorted(names))
            raise NotRunning(f"cannot tell which service {spec} is: {listed}; use `kettlingar ctl`")
        if names:
            return Managed(control, names[0])
    return None


def spec_of(kitten_class: type[RPCKitten]) -> str:
    """`module:Class`, as a definition names it; also of a module that runs as a program."""
    name = kitten_class.__module__
    if name == "__main__":
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        name = spec.name.removesuffix(".__main__") if spec is not None else name
    return f"{name}:{kitten_class.__qualname__}"
