"""The benchmarks run. What they say is for people: a timed test fails on a busy day."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from benchmarks import publish
from benchmarks._rounds import Line
from benchmarks._svg import plot
from tests.helpers import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def test_a_row_is_measured_and_written_down(tmp_path):
    pytest.importorskip("uvloop", reason="the benchmarks have it")
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
    lines = json.loads(result.read_text())["lines"]
    assert [line["target"] for line in lines] == ["<= 2.6", "<= 1.3"]
    assert all(line["ours"] > 0 for line in lines)


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


DATA = {
    "machine": "x86_64 Test", "cpus": 2, "kernel": "6.1.0-x", "python": "3.11.7",
    "versions": {"msgpack": "1.0"}, "busy_before": 0.5, "busy_after": 0.0, "rounds": 5,
    "seconds": 9, "skipped": ["row 4: nginx is not installed"],
    "lines": [
        {"row": "3", "what": "items of a stream, unix", "unit": "/s", "ours": 1.0,
         "beside": "LIMIT joined", "theirs": 2.0, "ratio": 0.5, "target": ">= 0.7", "met": False},
    ],
    "curves": [
        {"name": "growth", "title": "A <cost>", "across": "things", "up": "s",
         "points": {"ours": [[1, 0.5], [100, 20.0]], "theirs": [[1, 0.5], [100, 20.0]]}},
    ],
}  # fmt: skip


def test_figures_go_between_the_markers_of_a_page_and_nowhere_else():
    page = "before\n<!-- measured: rows -->\nof last year\n<!-- end -->\nafter\n<!-- measured: growth -->\n<!-- end -->\n"
    lines = [Line(**each) for each in DATA["lines"]]
    text = publish.filled(page, DATA, lines)
    assert text.startswith("before\n<!-- measured: rows -->\n0 of 1 targets are met")
    assert "last year" not in text
    assert "Measured beside others" in text
    assert "Skipped: row 4: nginx is not installed." in text
    assert "\n<!-- end -->\nafter\n<!-- measured: growth -->\n![A <cost>](growth.svg)\n" in text
    assert publish.filled(text, DATA, lines) == text
    assert publish.filled(text, {**DATA, "curves": []}, []) == text, "nothing new: all stays"


def test_a_row_that_is_lost_stays_in_the_short_table():
    lines = [Line(**each) for each in DATA["lines"]]
    assert "| items of a stream, unix | LIMIT joined | **0.50** | >= 0.7 |" in publish.short(lines)


def test_a_plot_is_well_formed_and_its_names_do_not_cover_each_other():
    (curve,) = DATA["curves"]
    drawn = plot(curve["title"], curve["across"], curve["up"], curve["points"], "a machine")
    texts = {each.text: each for each in ET.fromstring(drawn).iter(f"{SVG}text")}
    assert {"A <cost>", "ours", "theirs", "1", "100", "a machine"} <= texts.keys()
    assert abs(float(texts["ours"].get("y")) - float(texts["theirs"].get("y"))) >= 16
