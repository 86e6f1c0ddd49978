"""What is looked at goes on over rotations, upgrades and crashes: nothing lost, nothing doubled."""

import gzip
import json
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from kettlingard.core.retention import old_name
from tests.helpers import ROOT
from tests.helpers import wait_for as until
from tests.integration.daemon.kittens import definition
from tests.integration.daemon.test_logs import CHATTER, logs_of
from tests.supervision import CTL


@pytest.fixture
def two(supervisor, service_module):
    """`tick` and `tock`, which write what they are told, to logs that are rotated soon."""
    service_module("chatter", CHATTER)
    small = definition("chatter:Chatter", '[log]\nmax_size = "2K"\nkeep = 100\n')
    one = supervisor({"tick": small, "tock": small})
    one.ready("tick")
    one.ready("tock")
    return one


@contextmanager
def following(one, *words):
    """A `ctl ... -f`; what it has said so far, as a list that grows."""
    said = []
    with subprocess.Popen(
        [*CTL, "ctl", "--home", str(one.home), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    ) as process:
        reader = threading.Thread(target=lambda: said.extend(process.stdout))
        reader.start()
        try:
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            reader.join(5)
        assert process.wait(5) == 0


def say(one, service, text, count=1):
    one.ctl("call", service, "say", str(count), text)


def rotated(one, service):
    """Write until its log has been rotated and the old one compressed."""
    count = len(squeezed(one, service))
    say(one, service, "filling", 60)
    until(lambda: len(squeezed(one, service)) > count, 15)


def squeezed(one, service):
    return [path for path in logs_of(one, f"{service}-1.log") if path.suffix == ".gz"]


def test_lines_are_found_over_rotated_and_compressed_files(two):
    say(two, "tick", "oldest")
    rotated(two, "tick")
    rotated(two, "tick")
    say(two, "tick", "newest")
    assert "oldest 0" in gzip.decompress(squeezed(two, "tick")[0].read_bytes()).decode()
    text = two.ctl("logs", "tick", "--since", "10m").stdout
    assert text.index("oldest 0") < text.index("filling 59") < text.index("newest 0")
    assert text.count("filling 0\n") == 2
    last = two.ctl("logs", "tick/1", "-n", "100").stdout.splitlines()
    assert len(last) == 100
    assert last[-1].endswith("newest 0")
    assert two.ctl("logs", "tick", "--level", "info", "-n", "3").stdout.count("\n") == 3


def test_lines_of_several_services_are_merged_by_time(two):
    for number in range(3):
        for name in ("tick", "tock"):
            say(two, name, f"word-{number}")
            later = time.time() + 0.002  # lines have their time in milliseconds
            until(lambda later=later: time.time() > later)
    rotated(two, "tock")
    text = two.ctl("logs", "tick", "tock", "--since", "10m").stdout
    words = re.findall(r"(tick|tock)/1 .*(word-\d)", text)
    assert words == [(name, f"word-{n}") for n in range(3) for name in ("tick", "tock")]


def test_the_last_lines_of_a_status_are_there_after_a_rotation(two):
    (two.src / "chatter.py").write_text("raise ValueError('no more')\n")
    two.ctl("stop", "tick")
    two.ctl("start", "tick", check=False)
    log = two.home / "log" / "tick-1.log"
    log.rename(log.with_name(old_name(log.name, time.time())))
    log.write_text("")
    assert "ValueError: no more" in two.ctl("status", "tick", check=False).stdout.split("log (")[1]


def test_a_followed_log_goes_on_over_rotations_and_an_upgrade_and_says_each_line_once(two):
    with following(two, "logs", "tick", "tock", "-f", "-n", "0") as said:
        until(lambda: say(two, "tick", "begin") or "begin" in "".join(said), 15)
        for turn in range(3):
            say(two, "tick", f"turn-{turn}", 30)
            say(two, "tock", f"turn-{turn}", 30)
            if turn == 1:
                two.ctl("daemon", "upgrade")
        until(lambda: "".join(said).count("turn-2 29") == 2, 15, "the last lines")
    found = re.findall(r"(tick|tock)/1 .* (turn-\d \d+)\n", "".join(said))
    for name in ("tick", "tock"):
        words = [text for whose, text in found if whose == name]
        assert words == [f"turn-{turn} {number}" for turn in range(3) for number in range(30)]


def test_a_followed_log_has_the_lines_of_instances_and_services_that_are_new(two):
    with following(two, "logs", "-f", "-n", "0") as said:
        until(lambda: say(two, "tick", "begin") or "begin" in "".join(said), 15)
        two.ctl("scale", "tick=2")
        two.define(
            "late", '[service]\ntype = "simple"\nexec = ["sh", "-c", "echo late; sleep 600"]\n'
        )
        two.ctl("apply", "late")
        two.ctl("call", "tick/2", "say", "1", "second")
        until(lambda: "second 0" in "".join(said) and "late/1" in "".join(said), 15)
    assert "".join(said).count("second 0") == 1
    assert re.search(r"^late/1\s+late$", "".join(said), re.MULTILINE)


def events_of(one, *services):
    lines = one.ctl("events", *services, "-o", "json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_followed_events_go_on_over_an_upgrade_and_a_crash_and_come_once(two):
    with following(two, "events", "-f", "-o", "json") as said:
        until(lambda: len(said) >= 8)
        two.ctl("restart", "tick")
        two.ctl("daemon", "upgrade")
        two.ctl("restart", "tick")
        two.crash()
        two.start()
        two.ctl("restart", "tick")
        count = len(events_of(two, "tick"))
        until(lambda: len([line for line in said if '"tick"' in line]) >= count, 15)
    seen = [json.loads(line) for line in said if line.startswith("{")]
    numbers = [one["number"] for one in seen if one["service"] == "tick"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [one["to"] for one in seen if one["to"] == "restart"] == ["restart"] * 3


@pytest.mark.parametrize("how", ["upgrade", "crash"])
def test_the_last_fifty_events_are_there_under_the_next_supervisor(two, how):
    for _ in range(8):
        two.ctl("restart", "tick")
    before = events_of(two, "tick")
    assert len(before) == 50
    if how == "crash":
        two.crash()
        two.start()
    else:
        two.ctl("daemon", "upgrade")
    assert events_of(two, "tick") == before
    two.ctl("stop", "tick")
    after = events_of(two, "tick")
    assert len(after) == 50
    assert after[0]["number"] > before[0]["number"]


def test_events_follow_ends_with_7_when_nobody_comes_back(two, monkeypatch):
    from kettlingar.cli import ctl_follow
    from kettlingar.cli.program import main

    monkeypatch.setattr(ctl_follow, "BACK", 0.3)
    threading.Timer(0.5, two.stop).start()
    assert main(["ctl", "--home", str(two.home), "events", "-f"]) == 7
    until(lambda: two.process is None)
