"""`kettlingar ctl` where there is no supervisor."""

import os
import socket
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.supervision import CTL

PROBE = """
import sys
from kettlingar.cli.program import main
code = main(["ctl", *sys.argv[1:]])
print(" ".join(sorted(sys.modules)))
sys.exit(code)
"""

# Each of these takes as long as a good part of a `ctl status`.
HEAVY = {
    "argparse", "asyncio", "dataclasses", "difflib", "hmac", "inspect", "json", "logging",
    "msgspec", "pathlib", "platformdirs", "psutil", "rich", "secrets", "ssl", "subprocess",
    "tempfile", "threading", "urllib.parse", "uuid", "uvloop",
}  # fmt: skip
# So does each of these of one that has a plain answer.
LESS_STILL = HEAVY | {
    "collections", "contextlib", "enum", "functools", "httptools", "importlib", "kettlingar.sync",
    "kettlingar.wire", "msgpack", "re", "socket", "types", "typing", "warnings",
}  # fmt: skip


def ctl(*arguments, command=CTL, environ=None, stdout=subprocess.PIPE):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("KETTLINGARD", "XDG"))}
    return subprocess.run(
        [*command, "ctl", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, **(environ or {})},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=20,
    )


def test_the_message_lists_what_was_tried(tmp_path):
    done = ctl("status", "--home", str(tmp_path))
    assert done.returncode == 7
    assert f"{tmp_path}/run/control.sock: No such file or directory" in done.stderr
    assert "kettlingard up" in done.stderr
    assert done.stdout == ""


def test_the_environment_names_the_socket(tmp_path):
    path = str(tmp_path / "x.sock")
    done = ctl("status", environ={"KETTLINGARD_SOCKET": path})
    assert done.returncode == 7
    assert path in done.stderr


@pytest.mark.parametrize(
    "words", [["frobnicate"], ["restart"], ["status", "-o", "xml"], ["reread"]]
)
def test_what_cannot_be_understood_is_usage(words):
    done = ctl(*words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_help_goes_to_standard_output():
    done = ctl("restart", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--no-wait" in done.stdout


@pytest.mark.parametrize("words", [["status"], ["call", "blog", "purr", "--x=1"], ["stop", "blog"]])
def test_the_fast_path_loads_no_loop_and_no_terminal(tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "--home", str(tmp_path), *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=20,
    )
    assert done.returncode == 7, done.stderr
    loaded = set(done.stdout.split())
    assert "kettlingar.cli.ctl" in loaded
    assert not loaded & HEAVY


def test_a_supervisor_that_says_nothing_is_not_waited_for_without_end(
    tmp_path, monkeypatch, capsys
):
    from kettlingar.cli import ctl as program

    monkeypatch.setattr(program, "ANSWER", 0.2)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen()
        assert program.main(["--socket", str(tmp_path / "mute.sock"), "status"]) == 8
    assert "0.2" in capsys.readouterr().err
