"""A real `kettlingard up` for tests: started, asked, stopped, and seen to leave nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from kettlingar.cli.program import main as program
from kettlingard.host import cgroup
from tests.helpers import ROOT, Answer, alive, descendants, http_get, processes_of, wait_for
from tests.nursery import Newborn, Nursery

CTL = [
    sys.executable,
    "-c",
    "import sys; from kettlingar.cli.program import main; sys.exit(main())",
]
UP = [sys.executable, "-c", "import sys; from kettlingard.main import main; sys.exit(main())"]

# KETTLINGAR_TEST_ZYGOTE=0: the same tests with workers that are executed, not forked.
ZYGOTE = os.environ.get("KETTLINGAR_TEST_ZYGOTE", "1") != "0"


def _ctl_as_process(words: list[str], within: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CTL, *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=within,
        check=False,
        cwd=ROOT,
    )


def _ctl_as_function(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Hundreds of starts of an interpreter are a minute; test_ctl_alone has real ones."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err), chdir(ROOT):
        code = program(words)
    said = [stream.buffer.getvalue().decode() for stream in (out, err) if not stream.flush()]
    return subprocess.CompletedProcess(words, code, *said)


class Supervisor:
    """One `kettlingard up --home DIR` and its services.

    Definitions are TOML texts by service name; `{port}` in them becomes `port`,
    and `{src}` the folder that `service_module` writes to.
    """

    def __init__(
        self, definitions: Mapping[str, str], *, src: Path, port: int, nursery: Nursery
    ) -> None:
        # Not pytest's folder: the path of a unix socket may have 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="kd-"))
        self.services = self.home / "services.d"
        self.services.mkdir()
        self.log = self.home / "up.log"
        self.src = src
        self.port = port
        self.process: subprocess.Popen[bytes] | Newborn | None = None
        self._nursery = nursery
        for name, text in definitions.items():
            self.define(name, text)

    # --- its life -----------------------------------------------------------

    def define(self, name: str, text: str) -> Path:
        """Write (or replace) a definition."""
        path = self.services / f"{name}.toml"
        if not ZYGOTE and "kitten =" in text and "zygote" not in text:
            before, table, after = text.partition("[pool]\n")
            text = f"{before}\n[pool]\nzygote = false\n{after if table else ''}"
        path.write_text(text.replace("{port}", str(self.port)).replace("{src}", str(self.src)))
        return path

    def start(self, *arguments: str, within: float = 15.0) -> Supervisor:
        """Run it and wait until its control socket answers."""
        argv = [*UP, "up", "--home", str(self.home), *arguments]
        with self.log.open("ab") as log:
            if self._nursery.can_bear(os.environ):
                self.process = self._nursery.bear(argv, log.fileno(), ROOT)
            else:
                self.process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                    start_new_session=True,
                )
        wait_for(self._answers, within, "kettlingard up")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"kettlingard up ended with {code}:\n{self.output()}"
        return self.socket.exists() and self.ctl("daemon", "status", check=False).returncode == 0

    def stop(self, within: float = 20.0) -> None:
        """End it by SIGTERM, and see that nothing of it is left."""
        if self.process is None:
            return
        process, self.process = self.process, None
        family = descendants(process.pid)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(within)
        except subprocess.TimeoutExpired:
            self._kill_all(process)
            raise AssertionError(
                f"kettlingard did not end within {within} s of SIGTERM:\n{self.output()}"
            ) from None
        left = sorted({*filter(alive, family), *self._processes()})
        files = self._files()
        self._kill_all(process)
        assert not left, f"processes left behind: {left}\n{self.output()}"
        assert not files, f"files left behind: {files}\n{self.output()}"
        assert code == 0, f"kettlingard ended with {code}:\n{self.output()}"

    def abandon(self) -> None:
        """Whatever happened: end all that is left, without judging it."""
        if self.process is not None:
            self._kill_all(self.process)
            self.process = None
        groups = cgroup.find(str(self.home / "run"))
        groups.clear()
        wait_for(groups.close)

    def crash(self) -> None:
        """SIGKILL, as if the machine's memory had run out."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def _processes(self) -> list[int]:
        return processes_of(str(self.home), [self.home])

    def _files(self) -> list[str]:
        """Sockets, locks, pid and url files; logs and state may stay."""
        endings = (".sock", ".lock", ".pid", ".url", "/lock")
        return [
            str(path.relative_to(self.home))
            for path in self.home.rglob("*")
            if path.is_socket() or str(path).endswith(endings)
        ]

    def _kill_all(self, process: subprocess.Popen[bytes] | Newborn) -> None:
        for pid in {*self._processes(), *([process.pid] if process.poll() is None else [])}:
            os.kill(pid, signal.SIGKILL)
        process.wait()

    # --- what it says -------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def socket(self) -> Path:
        return self.home / "run" / "control.sock"

    def output(self) -> str:
        """What the supervisor and its services have logged so far."""
        logs = [self.log, *sorted((self.home / "log").glob("*.log"))]
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}"
            for log in logs
            if log.exists()
        )

    def ctl(
        self, *arguments: str, check: bool = True, within: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `kettlingar ctl` against it: in this process where that makes no difference."""
        words = ["ctl", "--home", str(self.home), *arguments]
        shared = threading.current_thread() is not threading.main_thread()
        if shared or "exec" in arguments:  # the standard streams are the process's; so is an exec
            done = _ctl_as_process(words, within)
        else:
            done = _ctl_as_function(words)
        said = (
            f"ctl {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        assert not check or done.returncode == 0, said
        return done

    def status(self, service: str) -> dict[str, Any]:
        """What `ctl status -o json` says of one service."""
        said = json.loads(self.ctl("status", service, "-o", "json", check=False).stdout)
        record: dict[str, Any] = said["services"][0]
        return record

    def pids(self, service: str) -> list[int]:
        """The pids of a service's ready instances."""
        runs = self.status(service)["instances"]
        return [run["pid"] for run in runs if run["state"] == "ready"]

    def ready(self, service: str, within: float = 15.0) -> list[int]:
        """Wait until the service is ready; return its instances' pids."""
        self.ctl("wait", service, "--for", "ready", "--timeout", str(within), within=within + 5)
        return self.pids(service)

    def get(self, path: str, port: int | None = None, **headers: str) -> Answer:
        """GET by TCP from a service's port."""
        return http_get(f"http://127.0.0.1:{port or self.port}{path}", headers)
