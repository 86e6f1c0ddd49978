"""systemd's descriptor store: it keeps our listeners while there is no kettlingard (sd_pid_notify_with_fds(3)).

What it keeps comes back as LISTEN_FDS, by names that end in `.kept`, so that nobody takes
them for sockets of a socket unit, which are systemd's own.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

from kettlingar.transport.fdpass import rights
from kettlingar.transport.unixpath import unix_address

log = logging.getLogger(__name__)

SUFFIX = ".kept"


def name_of(service: str, listener: str, key: int) -> str:
    """By its key too: one that moves is for a moment open at two addresses."""
    return f"{service}.{listener}.{key:x}"


def is_kept(name: str) -> bool:
    """Does a socket of this name come out of the store?"""
    return name.endswith(SUFFIX)


def key_in(name: str) -> int:
    """The key of `name_of`; 0 if it is none."""
    try:
        return int(name.removesuffix(SUFFIX).rpartition(".")[2], 16)
    except ValueError:
        return 0


class Store:
    """What we have put there; without one, nothing happens."""

    def __init__(self, address: str = "") -> None:
        self._address = address
        self._names: set[str] = set()
        self.outlives = False  # we end: what is there is for the next one

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Store:
        """Read NOTIFY_SOCKET and FDSTORE, which is how many it takes."""
        room = environ.get("FDSTORE", "")
        has_room = room.isdecimal() and int(room) > 0
        return cls(environ.get("NOTIFY_SOCKET", "") if has_room else "")

    def put(self, name: str, fd: int) -> None:
        """Have this one kept too; the same one twice is kept once."""
        if self._address and self._send(f"FDSTORE=1\nFDNAME={name}{SUFFIX}\nFDPOLL=0", [fd]):
            self._names.add(name)

    def remove(self, name: str) -> None:
        """It is not used any more."""
        self._names.discard(name)
        if self._address:
            self._send(f"FDSTOREREMOVE=1\nFDNAME={name}{SUFFIX}", [])

    def goes_on(self, name: str) -> bool:
        """Is it kept for the next one?"""
        return self.outlives and name in self._names

    def _send(self, text: str, fds: list[int]) -> bool:
        try:
            with (
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
                unix_address(self._address) as address,
            ):
                sock.sendmsg([text.encode()], rights(fds), 0, address)
        except OSError as why:
            log.warning("descriptor store not told text=%r reason=%s", text, why)
            return False
        return True
