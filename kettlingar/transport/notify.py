"""What a service that runs without kettlingard tells systemd: ready, stopping, and one line of status.

The protocol is sd_notify(3): lines of KEY=VALUE in one datagram.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from .unixpath import unix_address


class Notifier:
    """Sends to NOTIFY_SOCKET; without one, and when nobody listens there, nothing happens."""

    __slots__ = ("_address",)

    def __init__(self, address: str) -> None:
        # vsock: and other families are for virtual machines
        self._address = address if address[:1] in {"/", "@"} else ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Notifier:
        """Read NOTIFY_SOCKET."""
        return cls(environ.get("NOTIFY_SOCKET", ""))

    def ready(self, status: str = "") -> bool:
        """Say that the service answers; True if somebody was told."""
        return self._send("READY=1", *_status(status))

    def stopping(self, status: str = "") -> bool:
        """Say that the service ends."""
        return self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> bool:
        """Say in one line, for people, what the service is doing."""
        return self._send(*_status(text))

    def reloading(self, microseconds: int) -> bool:
        """Say that the service reads its configuration, from this time of CLOCK_MONOTONIC on."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def alive(self) -> bool:
        """Say that the service is not stuck (WatchdogSec=)."""
        return self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> bool:
        if not self._address or not lines:
            return False
        try:
            with (
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
                unix_address(self._address) as address,
            ):
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), address)
        except OSError:
            return False
        return True


def _status(text: str) -> list[str]:
    return [f"STATUS={' '.join(text.split())}"] if text.split() else []
