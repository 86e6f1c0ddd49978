"""How results are printed."""

import io
import json

import pytest

from kettlingar.cli.output import Output
from kettlingar.cli.render import as_bytes, show

PLAIN, JSON, RAW = Output.PLAIN, Output.JSON, Output.RAW


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ({"purr": "rr", "_format": "It says %(purr)s"}, b"It says rr\n"),
        ({"n": 3, "_format": "%(n)03d%%"}, b"003%\n"),
        ({"mimetype": "text/plain", "data": "Meow\n"}, b"Meow\n"),
        ({"mimetype": "text/plain", "data": "Meow"}, b"Meow"),
        ({"mimetype": "image/gif", "data": b"\xff\x00"}, b"\xff\x00"),
        ({"mimetype": "image/gif", "data": bytearray(b"\xff")}, b"\xff"),
        ("text", b"text\n"),
        ("text\n", b"text\n"),
        ("", b"\n"),
        ("\udcff", b"\xff\n"),
        (b"\x00\xff", b"\x00\xff"),
        (5, b"5\n"),
        (None, b"null\n"),
        (True, b"true\n"),
        (["\xe9"], '[\n  "é"\n]\n'.encode()),
    ],
)
def test_plain_results(value, printed):
    assert as_bytes(value, PLAIN) == printed


@pytest.mark.parametrize("wrong", ["%(nope)s", "%(purr)d", "%", "%s %s"])
def test_a_format_that_does_not_fit_prints_the_result(wrong):
    assert json.loads(as_bytes({"purr": "rr", "_format": wrong}, PLAIN)) == {"purr": "rr"}


def test_json_has_the_data_without_the_format():
    value = {"purr": "rr", "_format": "%(purr)s"}
    assert json.loads(as_bytes(value, JSON)) == {"purr": "rr"}
    assert as_bytes(value, JSON, streaming=True) == b'{"purr":"rr"}\n'


def test_json_carries_bytes_and_strange_things():
    assert json.loads(as_bytes({"a": b"\xff"}, JSON)) == {"a": {"__base64__": "/w=="}}
    assert json.loads(as_bytes({"a": PLAIN}, JSON)) == {"a": "plain"}
    assert "object object" in json.loads(as_bytes({"a": object()}, JSON))["a"]


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("text", b"text"),
        (b"\xff", b"\xff"),
        ({"mimetype": "text/plain", "data": "x"}, b"x"),
        ({"a": 1, "_format": "%(a)s"}, b'{"a":1}'),
    ],
)
def test_raw_adds_nothing(value, printed):
    assert as_bytes(value, RAW) == printed


def test_items_of_a_stream_take_a_line_each():
    assert as_bytes({"a": [1, 2]}, PLAIN, streaming=True) == b'{"a":[1,2]}\n'
    assert as_bytes("text", PLAIN, streaming=True) == b"text\n"


def test_what_is_in_an_open_file_is_printed(capfdbinary):
    files = [io.BytesIO(b"\xffone\n"), io.StringIO("two\n")]
    show(files)
    show(io.StringIO("three\n"), RAW)
    assert capfdbinary.readouterr().out == b"\xffone\ntwo\nthree\n"
    assert all(file.closed for file in files)


def test_without_a_terminal_nothing_is_drawn(capfdbinary):
    show({"a": 1})
    assert capfdbinary.readouterr().out == b'{\n  "a": 1\n}\n'
