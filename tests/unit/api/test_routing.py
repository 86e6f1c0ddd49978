"""Paths, and where they lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kettlingar.api.routing import Route, normal_prefix, route


def led(path, prefix=""):
    return route(path, lambda text: text == "TOKEN", prefix)


@pytest.mark.parametrize(
    ("path", "name", "token"),
    [
        ("/", "web_root", False),
        ("/purr", "purr", False),
        ("/TOKEN/purr", "purr", True),
        ("/TOKEN", "web_root", True),
        ("/TOKEN/", "web_root", True),
        ("/T%4fKEN/pu%72r", "purr", True),
        ("/purr/", "purr/", False),
        ("/pages/x", "pages/x", False),
        ("/TOKEN/a/b", "a/b", True),
        ("/purr/TOKEN", "purr/TOKEN", False),
        ("//purr", "/purr", False),
        ("/../purr", "../purr", False),
        ("/a%2Fb", "a/b", False),
        ("/TOKEN%2Fpurr", "TOKEN/purr", False),
        ("/%FF", "\ufffd", False),
        ("/%", "%", False),
        ("http://example.com/purr", "purr", False),
        ("http://example.com", "web_root", False),
    ],
)
def test_a_path_leads_to_a_name(path, name, token):
    found = led(path)
    assert (found.name, found.token) == (name, token)


def test_the_rest_of_the_path_is_kept_for_pages():
    assert led("/TOKEN/pages/a%20b/").path == "/pages/a%20b/"
    assert led("/pages/a").path == "/pages/a"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/app/purr", Route("purr", token=False, path="/purr")),
        ("/app/TOKEN/purr", Route("purr", token=True, path="/purr")),
        ("/app", Route("web_root", token=False, path="/")),
        ("/app/", Route("web_root", token=False, path="/")),
        ("/purr", None),
        ("/application/purr", None),
        ("/TOKEN/app/purr", None),
    ],
)
def test_outside_of_the_prefix_there_is_nothing(path, wanted):
    assert led(path, "/app") == wanted


@pytest.mark.parametrize("path", ["*", "", "purr", "example.com:443"])
def test_what_is_no_path_leads_nowhere(path):
    assert led(path) is None


@pytest.mark.parametrize(
    ("text", "prefix"), [("", ""), ("/", ""), ("app", "/app"), ("/a/b/", "/a/b")]
)
def test_prefixes_have_one_form(text, prefix):
    assert normal_prefix(text) == prefix


@given(st.text())
def test_any_text_leads_somewhere_or_nowhere(path):
    found = led("/" + path)
    assert found is not None
    assert found.path.startswith("/")
