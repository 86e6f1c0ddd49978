"""The pages of the reference that are made from the code."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("page", sorted(generate.PAGES))
def test_the_reference_says_what_the_code_does(page):
    committed = (ROOT / "docs" / "reference" / page).read_text()
    assert committed == generate.PAGES[page](), "run `python docs/generate.py`"


@pytest.mark.parametrize("page", sorted(generate.MAN))
def test_the_manual_says_what_the_code_does(page):
    committed = (ROOT / "docs" / "man" / page).read_text()
    assert committed == generate.MAN[page](), "run `python docs/generate.py`"


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man")
@pytest.mark.parametrize("page", sorted(generate.MAN))
def test_man_reads_it_without_a_complaint(page):
    path = ROOT / "docs" / "man" / page
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "SEE ALSO" in done.stdout
