"""Rows 5, 5e and 5r: a hundred services, their start, their memory, and one that dies."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from . import _machine as machine
from ._rounds import Figures, Plan
from .rows_http import UP

COUNT = 100
GET = b"GET /well HTTP/1.1\r\nHost: localhost\r\n\r\n"
MINI = """
import asyncio, json, msgpack
from kettlingar import RPCKitten

class Mini(RPCKitten):
    class Configuration(RPCKitten.Configuration):
        APP_NAME = WORKER_NAME = "mini"
        WORKER_LOG_LEVEL = 30
    async def public_api_well(self, _request):
        return {"ok": True}
"""

Start = Callable[[str, int], list[str]]


def ours(folder: str, count: int, *, zygote: bool = True) -> list[str]:
    """`kettlingard up` with services that listen where the others' do."""
    services = Path(folder) / "services.d"
    services.mkdir()
    Path(folder, "mini_kitten.py").write_text(MINI)
    pool = "" if zygote else "[pool]\nzygote = false\n"
    for i in range(count):
        (services / f"s{i}.toml").write_text(
            f'[service]\nkitten = "mini_kitten:Mini"\npython_path = ["{folder}"]\n'
            f'listen = ["{folder}/{i}.sock"]\nrestart_delay = 0\n{pool}'
        )
    return [sys.executable, "-c", UP, "up", "--home", folder]


def executed(folder: str, count: int) -> list[str]:
    """The same without a zygote."""
    return ours(folder, count, zygote=False)


def zygote(folder: str, count: int) -> list[str]:
    """LIMIT: import once, fork each."""
    return machine.module("limits", "zygote", folder, count)


def _mini(folder: str, i: object) -> str:
    return " ".join(machine.module("limits", "mini", f"unix:{folder}/{i}.sock"))


def popen(folder: str, count: int) -> list[str]:
    """LIMIT: a loop of Popen."""
    return machine.module("popen", count, *_mini(folder, "{i}").split())


def s6(folder: str, count: int) -> list[str]:
    """s6-svscan with a run file for each."""
    program = machine.system_program("s6-svscan", "s6")
    for i in range(count):
        run = Path(folder, "scan", f"s{i}", "run")
        run.parent.mkdir(parents=True)
        run.write_text(f"#!/bin/sh\nexec {_mini(folder, i)}\n")
        run.chmod(0o755)
    return [program, f"{folder}/scan"]


def supervisord(folder: str, count: int) -> list[str]:
    """supervisord, as `make bench` installs it."""
    program = machine.peer_program("supervisord")
    text = (
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\n"
        f"minfds=4096\nchildlogdir={folder}\n[unix_http_server]\nfile={folder}/ctl\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
        "supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[supervisorctl]\nserverurl=unix://{folder}/ctl\n"
    )
    for i in range(count):
        text += (
            f"[program:s{i}]\ncommand={_mini(folder, i)}\nautorestart=true\n"
            "stdout_logfile=/dev/null\nstderr_logfile=/dev/null\n"
        )
    Path(folder, "supervisord.conf").write_text(text)
    return [program, "-c", f"{folder}/supervisord.conf"]


def circus(folder: str, count: int) -> list[str]:
    """circusd, too."""
    program = machine.peer_program("circusd")
    text = f"[circus]\nendpoint=ipc://{folder}/ep\npubsub_endpoint=ipc://{folder}/ps\n"
    for i in range(count):
        text += (
            f"[watcher:s{i}]\ncmd={_mini(folder, i)}\nnumprocesses=1\n"
            "stdout_stream.class=FileStream\nstdout_stream.filename=/dev/null\n"
        )
    Path(folder, "circus.ini").write_text(text)
    return [program, f"{folder}/circus.ini"]


def answers(path: str) -> bool:
    """Whether the service there says that it is well."""
    with suppress(OSError), machine.dial(f"unix:{path}") as sock:
        sock.sendall(GET)
        return sock.recv(4096).startswith(b"HTTP/1.1 200")
    return False


class Fleet:
    """A supervisor with its services, all of them answering."""

    def __init__(self, start: Start, count: int) -> None:
        self._folder = machine.Folder()
        self.count = count
        began = time.monotonic()
        self.process = machine.spawn(start(self._folder.name, count))
        try:
            self._until_all_answer()
        except BaseException:
            self.close()
            raise
        self.seconds = time.monotonic() - began

    def _until_all_answer(self) -> None:
        waiting = [self.path(i) for i in range(self.count)]

        def all_there() -> bool:
            while waiting and answers(waiting[-1]):
                waiting.pop()
            return not waiting

        machine.until(all_there, f"{self.count} services", within=60, pause=0.005)

    def path(self, i: int) -> str:
        return f"{self._folder.name}/{i}.sock"

    def services(self) -> list[int]:
        """The processes that answer (the kernel says who listens, or the name does)."""
        members = machine.family(self.process.pid)[1:]
        named = [pid for pid in members if _is_service(pid)]
        return named or members

    def close(self) -> None:
        machine.end(self.process, within=0)
        self._folder.cleanup()

    def restarted(self, i: int) -> float:
        """Seconds from a service's sudden death until it answers again."""
        victim = self._listener(i)
        began = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        with suppress(OSError):
            while Path(f"/proc/{victim}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.0005)
        machine.until(lambda: answers(self.path(i)), "an answer after a death", pause=0.001)
        return time.monotonic() - began

    def _listener(self, i: int) -> int:
        """The process of service i: by its name under kettlingard, else by who listens."""
        for pid in machine.family(self.process.pid)[1:]:
            if f"s{i}/".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        with machine.dial(f"unix:{self.path(i)}") as sock:
            raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            pid: int = struct.unpack("iII", raw)[0]
            return pid


def _is_service(pid: int) -> bool:
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"mini" in line or line.startswith(b"kettlingar: s")
    return False


def _up(start: Start, count: int = COUNT) -> Callable[[], Figures]:
    def measure() -> Figures:
        fleet = Fleet(start, count)
        try:
            share = machine.memory(fleet.services()) / count
            own = machine.memory([fleet.process.pid], "Rss")
            return {"seconds": fleet.seconds, "pss": share, "rss": own}
        finally:
            fleet.close()

    return measure


def hundred(plan: Plan) -> None:
    """Row 5."""
    starts: dict[str, Start] = {"kettlingard": ours, "LIMIT zygote": zygote}
    for name, program, start in (
        ("s6", lambda: machine.system_program("s6-svscan", "s6"), s6),
        ("circus", lambda: machine.peer_program("circusd"), circus),
        ("supervisord", lambda: machine.peer_program("supervisord"), supervisord),
    ):
        with plan.peer(name):
            program()
            starts[name] = start
    # The slow ones only say by how many times they are slower: once is enough when in a hurry.
    fast = {name: _up(start) for name, start in starts.items() if start in (ours, zygote)}
    slow = {"kettlingard": fast["kettlingard"]}
    slow |= {name: _up(start) for name, start in starts.items() if name not in fast}
    found = plan.in_turn("5", fast, 2 if plan.quick else 0)
    what = f"{COUNT} services answer"
    found.compare(what, "s", "kettlingard", "LIMIT zygote", "seconds", "<= 2")
    found.compare("PSS a service", "MiB", "kettlingard", "LIMIT zygote", "pss", "<= 1.25")
    found = plan.in_turn("5, peers", slow, 1 if plan.quick else 3)
    found.compare(what, "s", "kettlingard", "s6", "seconds", "<= 0.143")
    found.compare(what, "s", "kettlingard", "circus", "seconds", "<= 0.143")
    found.compare(what, "s", "kettlingard", "supervisord", "seconds", "<= 0.125")
    found.compare("RSS of the supervisor", "MiB", "kettlingard", "supervisord", "rss", "<= 1")
    fleet = Fleet(ours, COUNT)
    try:
        _settle(fleet.process.pid)
        seconds = 10.0  # as long as a watchdog's period: each worker is asked once
        before = machine.cpu_seconds([fleet.process.pid])
        time.sleep(seconds)
        spent = machine.cpu_seconds([fleet.process.pid]) - before
        plan.fact("5", "supervisor at rest", "% CPU", 100 * spent / seconds, "<= 0.02")
    finally:
        fleet.close()


def _settle(pid: int) -> None:
    """Wait for what a start leaves to be done: each service is stable some seconds after it."""
    for _ in range(15):
        before = machine.cpu_seconds([pid])
        time.sleep(2)
        if machine.cpu_seconds([pid]) - before < 0.0005:
            return


def sleeps(plan: Plan) -> None:
    """Row 5e: programs that are no kittens."""
    with machine.Folder() as folder:
        services = Path(folder) / "services.d"
        services.mkdir()
        for i in range(COUNT):
            (services / f"s{i}.toml").write_text(
                '[service]\ntype = "simple"\nexec = ["sleep", "1000"]\n'
            )
        command = [sys.executable, "-c", UP, "up", "--home", folder]
        done = subprocess.run(
            [*command[:-2], "--home", folder, "--check"], capture_output=True, check=False
        )
        text = (done.stdout + done.stderr).decode()
    if "not supported" in text:
        plan.skipped.append('row 5e: type = "simple" is not supported by this version yet')
        return
    starts: dict[str, Start] = {"kettlingard": _ours_sleep, "LIMIT popen": _popen_sleep}
    with plan.peer("s6"):
        machine.system_program("s6-svscan", "s6")
        starts["s6"] = _s6_sleep
    found = plan.in_turn("5e", {name: _asleep(start) for name, start in starts.items()})
    what = f"{COUNT} x sleep"
    found.compare(what, "s", "kettlingard", "LIMIT popen", "seconds", "<= 2")
    found.compare(what, "s", "kettlingard", "s6", "seconds", "<= 1")


def _ours_sleep(folder: str, count: int) -> list[str]:
    services = Path(folder) / "services.d"
    services.mkdir()
    for i in range(count):
        (services / f"s{i}.toml").write_text(
            '[service]\ntype = "simple"\nexec = ["sleep", "1000"]\n'
        )
    return [sys.executable, "-c", UP, "up", "--home", folder]


def _popen_sleep(_folder: str, count: int) -> list[str]:
    return machine.module("popen", count, "sleep", "1000")


def _s6_sleep(folder: str, count: int) -> list[str]:
    for i in range(count):
        run = Path(folder, "scan", f"s{i}", "run")
        run.parent.mkdir(parents=True)
        run.write_text("#!/bin/sh\nexec sleep 1000\n")
        run.chmod(0o755)
    return [machine.system_program("s6-svscan", "s6"), f"{folder}/scan"]


def _asleep(start: Start) -> Callable[[], Figures]:
    def measure() -> Figures:
        with machine.Folder() as folder:
            began = time.monotonic()
            process = machine.spawn(start(folder, COUNT))
            try:
                machine.until(lambda: _sleepers(process.pid) >= COUNT, "sleepers", within=30)
                return {"seconds": time.monotonic() - began}
            finally:
                machine.end(process, within=0)

    return measure


def _sleepers(pid: int) -> int:
    count = 0
    for one in machine.family(pid):
        with suppress(OSError):
            count += Path(f"/proc/{one}/cmdline").read_bytes().startswith(b"sleep")
    return count


def deaths(plan: Plan) -> None:
    """Row 5r: five services, one of which dies in each round."""
    starts: dict[str, Start] = {
        "kettlingard": ours,
        "LIMIT zygote": zygote,
        "kettlingard, exec": executed,
        "LIMIT popen": popen,
    }
    fleets: dict[str, Fleet] = {}
    try:
        for name, start in starts.items():
            fleets[name] = Fleet(start, 5)
        time.sleep(1.0)
        turn = iter(range(10_000))

        def death(fleet: Fleet) -> Figures:
            seconds = fleet.restarted(next(turn) // len(fleets) % fleet.count)
            time.sleep(0.3)
            return {"ms": seconds * 1e3}

        found = plan.in_turn(
            "5r", {name: (lambda f=fleet: death(f)) for name, fleet in fleets.items()}
        )
    finally:
        for fleet in fleets.values():
            fleet.close()
    what = "from kill -9 to an answer"
    found.compare(what, "ms", "kettlingard", "LIMIT zygote", "ms", "<= 3")
    found.compare(f"{what}, exec", "ms", "kettlingard, exec", "LIMIT popen", "ms", "<= 1.2")
