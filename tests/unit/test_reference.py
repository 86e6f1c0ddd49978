"""The pages of the reference that are made from the code."""

from __future__ import annotations

import importlib.util
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
