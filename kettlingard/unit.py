"""systemd units for kettlingard itself, as text.

Why each line is there stands beside it, since whoever installs it reads it once.
"""

from __future__ import annotations

from msgspec import Struct

STOP_SECONDS = 90  # more than the supervisor's own limit, after which systemd kills


class Wish(Struct, frozen=True):
    """Which units: for whom, and what systemd is to open and keep."""

    program: str  # absolute
    system: bool
    socket: bool = False
    fdstore: int = 0  # descriptors that it keeps for us; 0 = none


def units(wish: Wish) -> str:
    """The service unit, and the socket unit after it if that is wanted."""
    mode, base = ("--system", "multi-user") if wish.system else ("--user", "default")
    folder = "/etc/systemd/system" if wish.system else "~/.config/systemd/user"
    lines = [
        f"# {folder}/kettlingard.service",
        "[Unit]",
        "Description=Keeps services of kettlingar running",
        "Documentation=man:kettlingard(8)",
        *(["Wants=network-online.target", "After=network-online.target"] if wish.system else []),
        *(["Requires=kettlingard.socket"] if wish.socket else []),
        "",
        "[Service]",
        "# It says when it is ready, and SIGHUP has it read its configuration again.",
        "Type=notify-reload",
        f"ExecStart={_escaped(wish.program)} up {mode}",
        "# Services outlive it: the next one adopts them, so only it gets the signal,",
        "# and one service that is out of memory does not take the others with it.",
        "KillMode=process",
        "OOMPolicy=continue",
        "# Limits of [resources] are control groups below its own.",
        "Delegate=yes",
        "Restart=always",
        "RestartSec=100ms",
        "# Its own limit is a minute; then it kills what is left itself.",
        f"TimeoutStopSec={STOP_SECONDS}",
        "WatchdogSec=30",
        *_store(wish.fdstore),
        "",
        "[Install]",
        f"WantedBy={base}.target",
    ]
    return "\n".join([*lines, *(_socket(wish.system, folder) if wish.socket else [])])


def _store(number: int) -> list[str]:
    if not number:
        return []
    return [
        "# Listeners stay open while there is no kettlingard.",
        f"FileDescriptorStoreMax={number}",
    ]


def _socket(system: bool, folder: str) -> list[str]:
    path = "/run" if system else "%t"
    return [
        "",
        f"# {folder}/kettlingard.socket",
        "[Unit]",
        "Description=Control socket of kettlingard",
        "",
        "[Socket]",
        f"ListenStream={path}/kettlingard/control.sock",
        "FileDescriptorName=control",
        "# Who connects is asked for by the kernel; what they may do is in [access].",
        "SocketMode=0666",
        "DirectoryMode=0755",
        "",
        "[Install]",
        "WantedBy=sockets.target",
    ]


def _escaped(path: str) -> str:
    text = path.replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if " " in text else text
