"""Processes of a benchmark: pinned, counted, and ended; and what this machine is."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# With it, what is not installed would be compiled anew in every process.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SERVERS, CLIENTS = 0, min(1, (os.cpu_count() or 1) - 1)  # CPUs
SHOWN = ("httptools", "msgpack", "msgspec", "uvloop")
WITHIN = 20.0  # seconds for a server to answer
_HZ = os.sysconf("SC_CLK_TCK")


class MissingError(Exception):
    """A peer that is not installed here."""


def peers_python() -> str:
    """The interpreter of the venv with the peers, which `make bench` fills."""
    found = os.environ.get("BENCH_PEERS", str(ROOT / ".venv-bench" / "bin" / "python"))
    if not Path(found).exists():
        raise MissingError("no venv with the peers; `make bench` makes one")
    return found


def peer_program(name: str) -> str:
    """A program of that venv."""
    path = Path(peers_python()).parent / name
    if not path.exists():
        raise MissingError(f"{name} is not installed; pip can give it")
    return str(path)


def system_program(name: str, package: str = "") -> str:
    """A program that the distribution has."""
    found = shutil.which(name)
    if found is None:
        raise MissingError(f"{name} is not installed; apt install {package or name}")
    return found


def spawn(command: Sequence[str], *, cpu: int | None = None, env: dict[str, str] | None = None,
          **options: Any) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start a process, which may be pinned to one CPU."""
    pinned = ["taskset", "-c", str(cpu)] if cpu is not None and shutil.which("taskset") else []
    with open(os.environ.get("BENCH_LOG", os.devnull), "ab") as log:
        return subprocess.Popen(
            [*pinned, *command],
            **{"stdin": subprocess.DEVNULL, "stdout": log, **options},
            stderr=log,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )


def module(name: str, *words: object, python: str = sys.executable) -> list[str]:
    """The command that runs one of these modules."""
    return [python, "-m", f"benchmarks.{name}", *map(str, words)]


def family(pid: int) -> list[int]:
    """A process and all its living descendants."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        with suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                text = Path(f"/proc/{one}/task/{task}/children").read_text()
                todo += [int(child) for child in text.split()]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of living processes: of all threads, in nanoseconds as the scheduler has it."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            whole = (int(fields[11]) + int(fields[12])) / _HZ
            threads = 0
            for task in os.listdir(f"/proc/{pid}/task"):
                text = Path(f"/proc/{pid}/task/{task}/schedstat").read_text()
                threads += int(text.split()[0])
            total += max(whole, threads / 1e9)  # threads that have ended are in the first only
    return total


def memory(pids: Iterable[int], key: str = "Pss") -> float:
    """MiB of all of them together: their share (Pss), or all that they see (Rss)."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(f"{key}:"):
                    total += int(line.split()[1])
    return total / 1024


def end(process: subprocess.Popen[bytes], *, within: float = 5.0) -> None:
    """Stop a process, then whatever of its family still lives; at once with `within` 0."""
    members = family(process.pid)
    if within:
        with suppress(OSError, subprocess.TimeoutExpired):
            process.send_signal(signal.SIGTERM)
            process.wait(within)
    for pid in members:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def dial(address: str) -> socket.socket:
    """Connect to `unix:PATH` or `tcp:PORT`."""
    kind, _, where = address.partition(":")
    sock = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    sock.settimeout(WITHIN)
    try:
        sock.connect(where if kind == "unix" else ("127.0.0.1", int(where)))
    except OSError:
        sock.close()
        raise
    return sock


def until(
    true: Callable[[], bool], what: str, *, within: float = WITHIN, pause: float = 0.01
) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within:g} s")
        time.sleep(pause)


def listens(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens there."""

    def there() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the server for {address} ended with {process.returncode}")
        try:
            dial(address).close()
        except OSError:
            return False
        return True

    until(there, f"listening at {address}")


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Folder(tempfile.TemporaryDirectory[str]):
    """A short-lived folder whose paths are short enough for sockets."""

    def __init__(self) -> None:
        super().__init__(prefix="kb-", ignore_cleanup_errors=True)


def busy() -> float:
    """The share of this machine's CPUs that is used right now, by whomever."""

    def sample() -> tuple[int, int]:
        numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(numbers), numbers[3] + numbers[4]

    (all_before, idle_before), _ = sample(), time.sleep(0.5)
    all_after, idle_after = sample()
    return 1 - (idle_after - idle_before) / max(1, all_after - all_before)


def described() -> dict[str, Any]:
    """Machine and versions, for the table's foot."""
    versions = {name: importlib.metadata.version(name) for name in SHOWN}
    with suppress(MissingError, subprocess.SubprocessError):
        listed = subprocess.run(
            [peers_python(), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
            capture_output=True, check=True, timeout=30,
        ).stdout  # fmt: skip
        names = ["aiohttp", "uvicorn", "granian", "Pyro5", "supervisor", "circus"]
        found = {each["name"].lower(): each["version"] for each in json.loads(listed)}
        versions |= {name: found[name.lower()] for name in names if name.lower() in found}
    model = ""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")
    return {
        "machine": f"{platform.machine()} {model}".strip(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": versions,
        "busy_before": round(busy(), 2),
    }
