"""`kettlingar new`: what it writes works."""

import os
import subprocess
import sys

from kettlingard.checking import check
from tests.helpers import ROOT

PROGRAM = "import sys; from kettlingar.cli.program import main; sys.exit(main())"


def new(folder, *args):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "new", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_new_service_passes_its_test_and_its_check(tmp_path):
    done = new(tmp_path, "cat_flap")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:3] == [
        "cat_flap.py", "test_cat_flap.py", "services.d/cat_flap.toml",
    ]  # fmt: skip
    assert check([tmp_path / "services.d"], None, imports=True).problems == ()
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_nothing_that_is_there_is_touched(tmp_path):
    (tmp_path / "purr.py").write_text("mine")
    done = new(tmp_path, "purr")
    assert (done.returncode, (tmp_path / "purr.py").read_text()) == (1, "mine")
    assert "purr.py is there already" in done.stderr
    assert not (tmp_path / "services.d").exists()


def test_a_name_that_cannot_be_is_told(tmp_path):
    done = new(tmp_path, "Cat-Flap")
    assert done.returncode == 2
    assert "small letters" in done.stderr
    assert new(tmp_path).returncode == 2
