"""docs/reference/*conformance.md name tests that exist, and the public names are where they are promised."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.helpers import ROOT

TABLES = {
    name: (ROOT / "docs" / "reference" / name).read_text()
    for name in ("conformance.md", "supervisor-conformance.md")
}
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::([\w*]+)`", "".join(TABLES.values()))))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_test_that_the_table_names_exists(path, name):
    source = (ROOT / "tests" / path).read_text()
    assert name == "*" or f"def {name}(" in source


@pytest.mark.parametrize(
    ("name", "at_least"), [("conformance.md", 90), ("supervisor-conformance.md", 80)]
)
def test_every_row_names_a_test(name, at_least):
    rows = [line for line in TABLES[name].splitlines() if line.startswith("| ")]
    sentences = [row for row in rows if not row.endswith("| tests |")]
    assert len(sentences) > at_least
    assert [row for row in sentences if ".py::" not in row] == []


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("kettlingar", "RPCKitten HttpResult RequestInfo connect __version__ HttpError NotRunning"),
        (
            "kettlingar",
            "BadRequest NotFound Conflict TooManyRequests Unavailable NeedInfoException",
        ),
        ("kettlingar.metrics", "MetricsKitten"),
        ("kettlingar.webkitten", "WebKitten Route"),
        ("kettlingar.tlskitten", "TLSKitten"),
        ("kettlingar.asynctools", "create_background_task await_success SyncProxy FileWriter"),
        ("kettlingar.testing", "running started run_kitten start_kitten"),
    ],
)
def test_every_public_name_is_importable_where_it_is_promised(module, names):
    found = import_module(module)
    assert [name for name in names.split() if not hasattr(found, name)] == []
