"""Completion as a shell asks for it, with a real supervisor behind it."""

import os
import shutil
import subprocess

import pytest

from tests.helpers import ROOT
from tests.integration.daemon.kittens import definition
from tests.supervision import CTL


def test_bash_offers_services_and_methods(supervisor, modules, tmp_path):
    one = supervisor({"steady": definition("steady:Steady")})
    one.ready("steady")
    command = tmp_path / "kettlingar"
    command.write_text(f'#!/bin/sh\nexec {CTL[0]} -c "{CTL[2]}" "$@"\n')
    command.chmod(0o755)
    script = f"""
        source <(kettlingar completion bash)
        ask() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kettlingar; echo "${{COMPREPLY[@]}}"; }}
        ask kettlingar ctl --home {one.home} restart s
        ask kettlingar ctl --home {one.home} call steady wo
        ask kettlingar ctl --home /nowhere restart s
    """
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == ["steady", "word", ""]
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_can_read(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    script = subprocess.run(
        [*CTL, "completion", shell], capture_output=True, cwd=ROOT, timeout=20, check=True
    ).stdout
    subprocess.run([shell, "-n"], input=script, timeout=20, check=True)
