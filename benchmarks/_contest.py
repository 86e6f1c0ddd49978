"""Servers and the clients that call them, for the rows in which one calls the other."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from . import _machine as machine
from ._rounds import Figures


class Server:
    """A server process at an address."""

    def __init__(
        self, stack: ExitStack, command: list[str], address: str, cpu: int | None = machine.SERVERS
    ) -> None:
        self.address = address
        self.process = machine.spawn(command, cpu=cpu)
        stack.callback(machine.end, self.process)
        machine.listens(address, self.process)

    def cpu(self) -> float:
        """Seconds that it has used, with all its children."""
        return machine.cpu_seconds(machine.family(self.process.pid))


def kitten(
    stack: ExitStack, folder: str, *settings: str, unix: bool = True, name: str = "kitten"
) -> Server:
    """Our service (the one of module `name`), with its files in `folder`."""
    port = machine.free_port()
    words = ["serve", f"--app-state-dir={folder}", f"--app-data-dir={folder}",
             f"--worker-listen-port={port}", *settings]  # fmt: skip
    if not unix:
        words.append("--worker-use-unixdomain=no")
    server = Server(stack, machine.module(name, *words), f"tcp:{port}")
    machine.until(lambda: Path(f"{folder}/bench.url").exists(), "the service's files")
    return server


def limit(stack: ExitStack, name: str, address: str, loop: str = "uvloop") -> Server:
    """One of the LIMITs."""
    return Server(stack, machine.module("limits", name, address, loop), address)


def peer(stack: ExitStack, name: str, address: str) -> Server:
    """Somebody else's server."""
    return Server(
        stack, machine.module("peers", name, address, python=machine.peers_python()), address
    )


class Caller:
    """A client process that does as it is told."""

    def __init__(
        self,
        stack: ExitStack,
        server: Server,
        name: str,
        address: str = "",
        *,
        loop: str = "uvloop",
        cpu: int = machine.CLIENTS,
        python: str = "",
    ) -> None:
        self._server = server
        command = machine.module(
            "callers", name, address or server.address, loop, python=python or sys.executable
        )
        self._process = machine.spawn(
            command, cpu=cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        stack.callback(machine.end, self._process)
        self._answer()

    @property
    def pid(self) -> int:
        return self._process.pid

    def do(self, what: str) -> Figures:
        """Measure; with the server's CPU time for each call or item."""
        before = self._server.cpu()
        assert self._process.stdin is not None
        self._process.stdin.write(what.encode() + b"\n")
        self._process.stdin.flush()
        figures = self._answer()
        if figures.get("count"):
            served = (self._server.cpu() - before) / figures["count"] * 1e6
            figures["both_us"] = served + figures["cpu_us"]
        return figures

    def _answer(self) -> Figures:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended with {self._process.wait()}")
        figures: Figures = json.loads(line)
        return figures
