"""`kettlingard` as people start it."""

import os
import resource
import subprocess
from pathlib import Path

from tests.helpers import ROOT
from tests.integration.daemon.kittens import definition
from tests.supervision import UP


def kettlingard(*arguments):
    return subprocess.run(
        [*UP, *arguments], capture_output=True, text=True, timeout=20, check=False, cwd=ROOT
    )


def test_up_prints_where_things_are_and_what_to_type(steady):
    one = steady(broken="[service]\nkitten = 3\n")
    text = one.log.read_text()
    assert f"http://127.0.0.1:{one.port}/" in text
    assert f"ctl --home {one.home} status" in text
    assert "broken.toml:2:1: service.kitten" in text


def test_check_says_all_that_is_wrong_with_file_line_and_key(tmp_path):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(definition("a:B"))
    bad.write_text('[service]\nkitten = "a"\nrestart = "sometimes"\n')
    assert kettlingard("check", str(good)).returncode == 0
    found = kettlingard("check", str(tmp_path))
    assert found.returncode == 6
    assert [line.split(": ")[0] for line in found.stdout.splitlines()] == [
        f"{bad}:2:1",
        f"{bad}:3:1",
    ]


def test_the_definitions_of_the_repository_are_right():
    assert kettlingard("check", str(ROOT / "services.d")).stdout == ""


def test_folders_that_cannot_be_used_are_said_in_one_line(tmp_path):
    (tmp_path / "run").write_text("in the way")
    failed = kettlingard("up", "--home", str(tmp_path))
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"kettlingard: cannot use {tmp_path}/run: ")
    assert failed.stderr.count("\n") == 1


def test_workers_have_the_limits_that_the_supervisor_was_started_with(steady):
    one = steady()
    [pid] = one.pids("steady")
    limits = Path(f"/proc/{pid}/limits").read_text()
    [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert int(line.split()[3]) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_resources_are_limited_as_the_definition_says(steady):
    one = steady("[resources]\nlimit_nofile = 200\nlimit_core = 0\n")
    [pid] = one.pids("steady")
    limits = Path(f"/proc/{pid}/limits").read_text()
    lines = {line[:26].strip(): line[26:].split() for line in limits.splitlines()}
    assert lines["Max open files"][:2] == ["200", "200"]
    assert lines["Max core file size"][:2] == ["0", "0"]


def test_the_supervisor_loads_neither_services_nor_terminals(steady):
    one = steady()
    script = "import sys, kettlingard.up; print([m for m in sys.modules if m in ('rich', 'kettlingar.cli', 'psutil', 'platformdirs')])"
    loaded = subprocess.run(
        [UP[0], "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert loaded.stdout.strip() == "[]"
    assert os.path.basename(os.readlink(f"/proc/{one.pid}/cwd")) == "run"
