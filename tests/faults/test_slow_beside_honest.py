"""The figure: 1,000 slow heads, bodies and readers at once, and what an honest client notices.

Service, crowd and honest client are a process each; idle and busy are of the same run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.helpers import ROOT, descriptors, wait_for

from .processes import served

a_figure = pytest.mark.skipif(
    not os.environ.get("KETTLINGAR_LONG"), reason="a figure, for a quiet machine: KETTLINGAR_LONG=1"
)
MANY = 1000
ROUNDS = 5
SECONDS = 3.0  # each deadline
IDLE = 4.0  # seconds that are measured before the crowd comes
LATE = 2.5  # seconds; readers are looked at twice in their time, the others drip each half second
LIMITS = (
    f"--worker-http-request-timeout1={SECONDS}",
    f"--worker-http-request-timeout2={SECONDS}",
    f"--worker-http-send-timeout={SECONDS}",
    "--worker-log-level=warning",
)


@contextmanager
def program(module, service, *words):
    """One of the two programs; it is ready."""
    command = [
        sys.executable,
        "-m",
        f"tests.faults.{module}",
        service.host,
        str(service.port),
        *words,
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.stdin.close()
            process.kill()


def ask(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def p99(times):
    return statistics.quantiles(times, n=100)[98]


@a_figure
@pytest.mark.parametrize(
    "kinds", [["head"], ["body"], ["reader"], ["head", "body", "reader"]], ids="+".join
)
@pytest.mark.timeout(300)
def test_honest_p99_beside_a_thousand_of_each_kind_is_under_twice_that_of_rest(tmp_path, kinds):
    with (
        served("tests.faults.target", tmp_path, "Target", *LIMITS) as service,
        program("honest", service) as honest,
    ):
        resting = len(descriptors(service.pid))
        ratios = []
        for _ in range(ROUNDS):
            with program("slow_crowd", service, str(MANY), *kinds) as crowd:
                ask(honest)
                time.sleep(IDLE)  # a figure per time: there is no fact to wait for
                idle = ask(honest)
                told = ask(crowd)  # it has come, and has gone
                busy = ask(honest)
            for kind, what in told.items():
                assert what["closed"] == MANY, (kind, what)
                assert what["least"] > SECONDS * 0.9, (kind, what)
                assert what["most"] < SECONDS * 2 + LATE, (kind, what)
                assert what["told"] > MANY * 0.95 or "reader" in kind, (kind, what)
            ratios.append(p99(busy) / p99(idle))
            print(
                f"\n{MANY} x {'+'.join(kinds)}: p99 {p99(busy) * 1e6:.0f} us of {len(busy)}, idle"
                f" {p99(idle) * 1e6:.0f} us: {ratios[-1]:.2f} x; median"
                f" {statistics.median(busy) * 1e6:.0f} and {statistics.median(idle) * 1e6:.0f} us,"
                f" worst {max(busy) * 1e3:.1f} and {max(idle) * 1e3:.1f} ms; closed"
                f" { ({kind: (round(w['least'], 2), round(w['most'], 2)) for kind, w in told.items()}) }"
            )
            wait_for(lambda: len(descriptors(service.pid)) <= resting, 10, "descriptors as before")
    print(f"median of {ROUNDS}: {statistics.median(ratios):.2f} x")
    assert statistics.median(ratios) < 2


def test_a_collection_of_garbage_does_not_stop_a_service_to_look_at_what_is_there_to_stay(tmp_path):
    with served("tests.faults.target", tmp_path, "Target") as service:
        told = service.client.call("collector")
    assert told["frozen"] > 10_000
    young, middle, old = told["thresholds"]
    between = young * (middle + 1)  # what the second of them looks at
    assert between <= 5_000  # a short pause, each time
    assert between * old > 1_000_000
