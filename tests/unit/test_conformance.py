"""docs/reference/*conformance.md name tests that exist, and the public names are where they are promised."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import iscoroutinefunction

import pytest

from kettlingar import RPCKitten
from tests.helpers import ROOT

TABLES = {
    name: (ROOT / "docs" / "reference" / name).read_text()
    for name in ("conformance.md", "supervisor-conformance.md", "operator-conformance.md")
}
AUTHOR = (ROOT / "docs" / "reference" / "author.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::([\w*]+)`", "".join(TABLES.values()))))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_test_that_the_table_names_exists(path, name):
    source = (ROOT / "tests" / path).read_text()
    assert name == "*" or f"def {name}(" in source


@pytest.mark.parametrize(
    ("name", "at_least"),
    [("conformance.md", 90), ("supervisor-conformance.md", 80), ("operator-conformance.md", 150)],
)
def test_every_row_names_a_test(name, at_least):
    rows = [line for line in TABLES[name].splitlines() if line.startswith("| ")]
    sentences = [row for row in rows if not row.endswith("| tests |")]
    assert len(sentences) > at_least
    assert [row for row in sentences if ".py::" not in row] == []


COROUTINES = ["init_servers", "shutdown", "validate_request_header"]
FUNCTIONS = ["get_api_methods", "get_method_name", "get_default_methods", "guarantee_type", "to_json",
             "from_json", "to_msgpack", "from_msgpack", "get_docstring", "print_result"]  # fmt: skip


@pytest.mark.parametrize("hook", [*COROUTINES, *FUNCTIONS, "on_config_KEY", "metrics_http_request"])
def test_every_hook_is_documented(hook):
    hooks = AUTHOR.partition("## Hooks")[2].partition("\n## ")[0]
    assert re.search(rf"^- `(async )?{hook}\(.*\)[^`]*`: \S", hooks, re.MULTILINE)


def test_hooks_are_coroutines_or_plain_functions_as_they_are_promised():
    kinds = {name: iscoroutinefunction(getattr(RPCKitten, name)) for name in COROUTINES + FUNCTIONS}
    assert [name for name, waits in kinds.items() if waits] == COROUTINES


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
