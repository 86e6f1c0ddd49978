"""A kitten as a process of its own, whose argv, environment, logs and descriptors can be looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kettlingar.sync import BlockingClient
from tests.helpers import ROOT, wait_for


@dataclass
class Served:
    """A running process, and where it answers."""

    pid: int
    client: BlockingClient
    host: str
    port: int
    secret: str
    socket_path: Path
    log: Path


@contextmanager
def served(module: str, folder: Path, name: str, *args: str) -> Iterator[Served]:
    """`python -m module serve` until the block ends; then it must end by itself, with code 0."""
    log = folder / "service.log"
    state = folder / "state"
    command = [sys.executable, "-m", module, f"--app-state-dir={state}", *args, "serve"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ}
        )
    try:
        url_file = state / f"{name}.url"
        wait_for(lambda: url_file.exists() or process.poll() is not None, 10, "the service is up")
        assert process.poll() is None, log.read_text()
        url = urlsplit(url_file.read_text().strip())
        client = BlockingClient.by_files(state, name, timeout=10)
        secret = url.path.rpartition("/")[2]
        yield Served(
            process.pid, client, url.hostname, url.port, secret, state / f"{name}.sock", log
        )
        client.close()
        process.terminate()
        assert process.wait(10) == 0, log.read_text()[-2000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
