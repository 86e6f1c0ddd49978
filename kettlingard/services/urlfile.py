"""access.url_file: SERVICE.url and SERVICE.sock in the service's folder, for clients that know no supervisor.

Whoever reads the file has the owner's right to all methods: it is 0600 and the
service's user's from birth. The socket is there only where that user is ours:
in another one's folder a name can become a link between two of our calls.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kettlingard.core.listeners import URL_SOCKET, ListenerSpec
from kettlingard.core.spec import ServiceSpec
from kettlingard.errors import PathError, SpawnError
from kettlingard.host.files import private_dir, write_atomic
from kettlingard.host.spawn import Ids
from kettlingard.worker.launch import account_of, other_ids

log = logging.getLogger(__name__)

EVERYWHERE = {"0.0.0.0", "[::]"}  # noqa: S104  compared, not bound


class UrlFile:
    """Owns the file. `default`: what holds where a definition has no [access]."""

    def __init__(self, folder: Path, service: str, *, default: bool) -> None:
        self._folder = folder
        self._path = folder / f"{service}.url"
        self._sock = folder / f"{service}.sock"
        self._default = default
        self._written: tuple[str, Ids | None] | None = None  # None: not known yet

    def wanted(self, spec: ServiceSpec) -> bool:
        """Is there to be one?"""
        said = spec.access.url_file
        if said is None:
            said = self._default and "access" not in spec.given
        return said and spec.is_kitten

    def listeners(self, spec: ServiceSpec) -> tuple[ListenerSpec, ...]:
        """The socket, where it can be."""
        if not self.wanted(spec) or _ids(spec) is not None:
            return ()
        try:
            if not self._sock.exists():  # else it was seen to when that was bound
                private_dir(self._folder)
        except PathError as why:
            log.warning("no socket for plain clients: %s", why)
            return ()
        return (ListenerSpec(name=URL_SOCKET, stream=str(self._sock), socket_mode=0o600),)

    def keep(self, spec: ServiceSpec | None, secret: str, addresses: Sequence[str]) -> None:
        """Have it say how the service is reached now; without a definition nobody can."""
        url = _url(addresses, secret) if spec is not None and self.wanted(spec) else ""
        ids = _ids(spec) if spec is not None else None
        if self._written == (url, ids):
            return
        if not url:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        elif not self._write(url, ids):
            return  # at the next look
        self._written = (url, ids)

    def _write(self, url: str, ids: Ids | None) -> bool:
        if not self._folder.is_dir():
            return False  # its first run makes it
        owner = (ids.uid, ids.gid) if ids is not None else None
        try:
            write_atomic(self._path, f"{url}\n".encode(), durable=False, owner=owner)
        except OSError as why:
            log.error("cannot write %s: %s", self._path, os.strerror(why.errno or 0))  # noqa: TRY400  it says all
        return True


def _ids(spec: ServiceSpec) -> Ids | None:
    """Whose it is; None: ours."""
    try:
        return other_ids(account_of(spec))
    except SpawnError:  # its start says so
        return None


def _url(addresses: Sequence[str], secret: str) -> str:
    """By TCP where it listens there; else the port is 0, and the socket beside the file is the way."""
    if not addresses:
        return ""
    tcp = next((one for one in addresses if not one.startswith("/")), "localhost:0")
    host, _, port = tcp.rpartition(":")
    return f"http://{'localhost' if host in EVERYWHERE else host}:{port}/{secret}"
