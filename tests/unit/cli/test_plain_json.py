"""JSON of plain values says what the standard library's module says, or nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from kettlingar.cli.plain_json import indented, read, written

finite = some.floats(allow_nan=False, allow_infinity=False)
texts = some.text('aé☃𝄞"\\/\n\t\0\x7f_', max_size=8)
values = some.recursive(
    some.none() | some.booleans() | some.integers() | finite | texts,
    lambda inner: some.lists(inner) | some.dictionaries(texts, inner),
    max_leaves=10,
)


@settings(max_examples=40)
@given(values)
def test_what_is_written_is_what_json_writes(value):
    assert written(value) == json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=False)


@settings(max_examples=40)
@given(values)
def test_what_is_read_is_what_json_reads(value):
    data = json.dumps(value, ensure_ascii=False).encode()
    try:
        assert read(data) == value
    except ValueError:  # it leaves some to others, and then says so
        assert b"\\u" in data or b"__" in data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a":1}x',
        b'{"a":1,"a":2}',
        b"NaN",
        b"[-Infinity]",
        b'"\\ud800"',
        b'"\xff"',
        b'{"__base64__":"AA=="}',
        b'{"__fd__":{}}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_plain_is_left_to_others(data):
    with pytest.raises(ValueError):
        read(data)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), [object()]])
def test_what_json_has_no_words_for_is_not_written(value):
    with pytest.raises(TypeError):
        written(value)
    with pytest.raises(TypeError):
        indented(value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_what_is_no_number_in_json_is_not_written(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        written(value)
    with pytest.raises(ValueError, match="JSON compliant"):
        indented(value)


def test_a_value_in_itself_is_refused():
    knot = []
    knot.append(knot)
    with pytest.raises((ValueError, RecursionError)):
        written(knot)
