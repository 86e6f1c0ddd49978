"""What handing over connections costs: one service under kettlingard, and listening by itself.

    python benchmarks/connections.py [rounds]

Processor time for each request, of the workers and of the supervisor, from /proc; the
client is a single thread, so that requests per second say as much about it. Medians.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._load import Load

ROOT = Path(__file__).resolve().parent.parent
SUPERVISED, ALONE = 8391, 8392
COUNT = 4000  # requests in each round
DEFINITION = f"""
[service]
kitten = "examples.kitten:MyKitten"
python_path = ["{ROOT}"]
listen = ["127.0.0.1:{SUPERVISED}"]
"""
UP = "import sys; from kettlingard.main import main; sys.exit(main())"


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def answers(port: int) -> None:
    """Wait until the service answers."""
    for _ in range(400):
        try:
            Load(port, "/meow", count=1, in_flight=1, keep_alive=False).run()
        except ConnectionError:
            time.sleep(0.025)
        else:
            return
    raise SystemExit(f"nobody answers on port {port}")


def measure(port: int, keep_alive: bool, pids: list[int]) -> list[float]:
    """Requests a second, then microseconds of each process for one request."""
    before = [cpu(pid) for pid in pids]
    outcome = Load(port, "/meow", count=COUNT, keep_alive=keep_alive).run()
    assert not outcome.errors, outcome.statuses
    spent = [(cpu(pid) - start) / COUNT * 1e6 for pid, start in zip(pids, before, strict=True)]
    return [outcome.per_second, *spent]


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        services = Path(home) / "services.d"
        services.mkdir()
        (services / "kitten.toml").write_text(DEFINITION)
        environ = {**os.environ, "XDG_STATE_HOME": home, "HOME": home}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environ}
        up = subprocess.Popen([sys.executable, "-c", UP, "up", "--home", home], **quiet)
        serve = [sys.executable, "-m", "examples.kitten", "serve"]
        alone = subprocess.Popen([*serve, f"--worker-listen-port={ALONE}"], cwd=ROOT, **quiet)
        try:
            answers(SUPERVISED)
            answers(ALONE)
            report(rounds, up.pid, alone.pid)
        finally:
            for process in (up, alone):
                process.send_signal(signal.SIGTERM)
                process.wait(20)


def report(rounds: int, supervisor: int, alone: int) -> None:
    (worker,) = children(supervisor)
    print(f"{'':26}{'requests/s':>11}{'worker':>10}{'supervisor':>12}   (CPU µs a request)")
    for keep_alive, name in ((True, "keep-alive"), (False, "a connection each")):
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(measure(SUPERVISED, keep_alive, [worker, supervisor]))
            theirs.append(measure(ALONE, keep_alive, [alone]))
        rate, work, cost = map(statistics.median, zip(*ours, strict=True))
        print(f"{name + ', kettlingard':26}{rate:11.0f}{work:10.1f}{cost:12.1f}")
        rate, work = map(statistics.median, zip(*theirs, strict=True))
        print(f"{name + ', alone':26}{rate:11.0f}{work:10.1f}{'-':>12}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
