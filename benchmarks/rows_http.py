"""Rows 2, 4 and 4k: HTTP by wrk, on connections that live and on new ones."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from . import _machine as machine
from ._contest import Server, kitten, limit, peer
from ._load import Load
from ._rounds import Figures, Plan

UP = "import sys; from kettlingard.main import main; sys.exit(main())"
LIMIT = "LIMIT httptools with task"
SHARED = "two on a shared listener"
NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream app {{ server unix:{sock}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port} backlog=2048;
    location / {{ proxy_pass http://app; proxy_http_version 1.1;
                 proxy_set_header Connection ""; }} }} }}
"""


def wrk(port: int, path: str, *, seconds: int, connections: int, close: bool = False) -> Figures:
    """Requests per second, and how many there were."""
    command = ["taskset", "-c", str(machine.CLIENTS), machine.system_program("wrk"), "-t1",
               f"-c{connections}", f"-d{seconds}s"]  # fmt: skip
    if close:
        command += ["-H", "Connection: close"]
    url = f"http://127.0.0.1:{port}/{path}"
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=60, check=True)
    if "Non-2xx" in done.stdout:
        raise RuntimeError(f"errors from {url}: {done.stdout}")
    count = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert count is not None
    assert rate is not None
    return {"per_second": float(rate[1]), "count": float(count[1])}


def measured(server: Server, load: Callable[[], Figures]) -> Callable[[], Figures]:
    """A load with the server's CPU time for each request; of its first process alone, too."""

    def measure() -> Figures:
        top = [server.process.pid]
        before, top_before = server.cpu(), machine.cpu_seconds(top)
        figures = load()
        figures["cpu_us"] = (server.cpu() - before) / figures["count"] * 1e6
        figures["top_us"] = (machine.cpu_seconds(top) - top_before) / figures["count"] * 1e6
        return figures

    return measure


def port_of(server: Server) -> int:
    return int(server.address.rpartition(":")[2])


def gets(plan: Plan) -> None:
    """Row 2."""
    with ExitStack() as stack:
        servers = {
            "kettlingar": kitten(stack, stack.enter_context(machine.Folder())),
            LIMIT: limit(stack, "http", f"tcp:{machine.free_port()}"),
        }
        for name, program in (("uvicorn raw ASGI", "uvicorn"), ("granian", "granian")):
            with plan.peer(name):
                servers[name] = peer(stack, program, f"tcp:{machine.free_port()}")
        with plan.peer("row 2"):
            for path in ("text", "json"):
                found = plan.in_turn(
                    f"2, {path}",
                    {
                        name: measured(server, _steady(port_of(server), path))
                        for name, server in servers.items()
                    },
                    3 if plan.quick else 0,
                )
                what = f"CPU of a GET, {path}"
                found.compare(what, "µs", "kettlingar", LIMIT, "cpu_us", "<= 1.35")
                what = f"GETs, {path}"
                found.compare(what, "/s", "kettlingar", "uvicorn raw ASGI", "per_second", ">= 1.8")
                found.compare(what, "/s", "kettlingar", "granian", "per_second", ">= 1.3")


def _steady(port: int, path: str) -> Callable[[], Figures]:
    return lambda: wrk(port, path, seconds=1, connections=64)


def _fresh(port: int) -> Callable[[], Figures]:
    return lambda: wrk(port, "text", seconds=1, connections=32, close=True)


def _hundreds(port: int, count: int) -> Callable[[], Figures]:
    def load() -> Figures:
        outcome = Load(port, "/text", count=count, each=100).run()
        if outcome.errors:
            raise RuntimeError(f"errors: {outcome.statuses}")
        return {"per_second": outcome.per_second, "count": float(count)}

    return load


def supervised(stack: ExitStack, folder: str) -> Server:
    """Our service under kettlingard: two workers, one listener."""
    port = machine.free_port()
    services = Path(folder) / "services.d"
    services.mkdir()
    (services / "bench.toml").write_text(
        f'[service]\nkitten = "benchmarks.kitten:Bench"\npython_path = ["{machine.ROOT}"]\n'
        f'listen = ["127.0.0.1:{port}"]\n[pool]\ninstances = 2\n'
    )
    command = [sys.executable, "-c", UP, "up", "--home", folder]
    server = Server(stack, command, f"tcp:{port}")
    machine.until(lambda: len(workers(server)) == 2, "two workers")
    return server


def workers(server: Server) -> list[int]:
    """The supervisor's workers: those that show their service's name."""
    found = []
    for pid in machine.family(server.process.pid)[1:]:
        with suppress(OSError):  # it was there for a moment only
            if b"bench/" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def _nginx(stack: ExitStack, folder: str) -> Server:
    """nginx before uvicorn; the two count as one."""
    program = machine.system_program("nginx")
    behind = peer(stack, "uvicorn", f"unix:{folder}/uvicorn")
    port = machine.free_port()
    conf = Path(folder) / "nginx.conf"
    sock = f"{folder}/uvicorn"
    conf.write_text(NGINX.format(folder=folder, port=port, sock=sock))
    front = Server(stack, [program, "-c", str(conf)], f"tcp:{port}")
    both = front.cpu
    front.cpu = lambda: both() + behind.cpu()  # type: ignore[method-assign]
    return front


def connections(plan: Plan) -> None:
    """Rows 4 and 4k."""
    with ExitStack() as stack:
        port = machine.free_port()
        servers = {
            "kettlingard": supervised(stack, stack.enter_context(machine.Folder())),
            SHARED: Server(stack, machine.module("kitten", "shared", port), f"tcp:{port}"),
        }
        with plan.peer("nginx -> uvicorn"):
            folder = stack.enter_context(machine.Folder())
            Path(folder).chmod(0o755)
            servers["nginx -> uvicorn"] = _nginx(stack, folder)
        with plan.peer("uvicorn direct"):
            server = peer(stack, "uvicorn", f"tcp:{machine.free_port()}")
            servers["uvicorn direct"] = server
        with plan.peer("row 4"):
            found = plan.in_turn(
                "4", {n: measured(s, _fresh(port_of(s))) for n, s in servers.items()}
            )
            what = "connections"
            found.compare(what, "/s", "kettlingard", SHARED, "per_second", ">= 0.95")
            found.compare(what, "/s", "kettlingard", "nginx -> uvicorn", "per_second", ">= 1.15")
            found.compare(what, "/s", "kettlingard", "uvicorn direct", "per_second", ">= 1.8")
            found.compare(
                "CPU of a connection", "µs", "kettlingard", SHARED, "cpu_us", "<= 1.2"
            )  # fmt: skip
            part = found.of("kettlingard", "top_us")
            plan.fact("4", "of that, the supervisor's", "µs", part, "<= 20")
        count = 5000 if plan.quick else 20000
        found = plan.in_turn(
            "4k",
            {n: measured(servers[n], _hundreds(port_of(servers[n]), count))
             for n in ("kettlingard", SHARED)},
        )  # fmt: skip
        what = "CPU of a request, 100 a connection"
        found.compare(what, "µs", "kettlingard", SHARED, "cpu_us", "<= 1.03")
