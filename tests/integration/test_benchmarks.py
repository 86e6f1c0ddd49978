"""The benchmarks run. What they say is for people: a timed test fails on a busy day."""

import json
import os
import subprocess
import sys

from tests.helpers import ROOT


def test_a_row_is_measured_and_written_down(tmp_path):
    result = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", "--json", result, "1s"],
        cwd=ROOT,
        env={**os.environ, "BENCH_PEERS": str(tmp_path / "no-peers")},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert "LIMIT ping-pong" in done.stdout
    assert "skipped Pyro5: no venv with the peers" in done.stdout
    (line,) = json.loads(result.read_text())["lines"]
    assert line["target"] == "<= 2.6"
    assert line["ours"] > 0


def test_an_unknown_row_is_told_what_there_is():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 2
    assert "there is no row 7" in done.stderr
