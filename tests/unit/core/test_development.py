"""The definition that `kettlingard dev` makes is a good one, and what its lines look like."""

import pytest

from kettlingard.core.development import (
    Painter,
    Service,
    definition,
    in_short,
    name_of,
    passed,
    settings_of,
)
from kettlingard.core.parse import parse
from kettlingard.core.reading import Source


def test_the_definition_has_no_problems_whatever_is_in_it():
    service = Service(
        "a.b:Gre", '/home/ö "x"\\', 9000, {"greeting": 'hi "you" 😀\n'}, ("ONE", "TWO")
    )
    spec = parse("gre", [Source("gre.toml", definition(service))])
    assert spec.service.kitten == "a.b:Gre"
    assert spec.service.python_path == ('/home/ö "x"\\',)
    assert spec.config == {"greeting": 'hi "you" 😀\n'}
    assert spec.service.pass_environment == ("ONE", "TWO")
    assert spec.listen[0].stream == "127.0.0.1:9000"


@pytest.mark.parametrize(
    ("kitten", "name"), [("m:Gre", "gre"), ("a.b:_Gre", "gre"), ("m:" + "X" * 60, "x" * 48)]
)
def test_the_service_is_named_for_its_class(kitten, name):
    assert name_of(kitten) == name


@pytest.mark.parametrize("text", ["m", "m:", ":C", "m:C:D", "m-n:C", "m.py:C d"])
def test_what_names_no_class_is_refused(text):
    with pytest.raises(ValueError, match="is not MODULE:CLASS"):
        name_of(text)


def test_settings_are_read_as_a_services_own_command_line_has_them():
    assert settings_of(["--worker-name=x", "--to=a=b"]) == {"worker_name": "x", "to": "a=b"}
    with pytest.raises(ValueError, match="--to"):
        settings_of(["--to"])


def test_variables_of_the_shell_are_passed_but_for_those_that_say_who_supervises():
    names = ["PATH", "LC_ALL", "NOTIFY_SOCKET", "LISTEN_FDS", "KETTLINGARD_RUN", "EDITOR", "A"]
    assert passed(names) == ("A", "EDITOR")


def test_a_line_has_the_colour_of_its_level_and_so_have_those_that_belong_to_it():
    paint = Painter(colours=True)
    assert paint.line("plain") == "plain"
    assert (
        paint.line("2026-01-31 14:20:31,123 77 E app boom") == "\x1b[31m14:20:31 E app boom\x1b[0m"
    )
    assert paint.line("Traceback") == "\x1b[31mTraceback\x1b[0m"
    assert paint.line("2026-01-31 14:20:31,123 77 I app fine") == "14:20:31 I app fine"
    assert Painter(colours=False).own("x", bad=True) == "dev: x"


def test_many_saves_are_named_in_short():
    assert in_short(["/a/b.py", "/a/c/d.py"], "/a") == "b.py, c/d.py"
    assert in_short([f"/a/{n}.py" for n in range(5)], "/a") == "0.py, 1.py, 2.py and 2 more"
