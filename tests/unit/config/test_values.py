"""Texts and other values, as settings of a type."""

from enum import Enum
from typing import Any, Literal

import pytest

from kettlingar.config.values import Octal, convert, written


class Size(Enum):
    SMALL = 1


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (Size, "1", Size.SMALL),
        (Size, Size.SMALL, Size.SMALL),
        (Literal[1, "a"], "1", 1),
        (Octal, 8, 8),
        (Octal, "0o17", 15),
        (str, 5, "5"),
        (str, True, "true"),
        (bytes, "é", b"\xc3\xa9"),
        (bytes, bytearray(b"a"), b"a"),
        (tuple, "[1]", (1,)),
        (set[int], "[1, 1]", {1}),
        (list, (1, 2), [1, 2]),
        (int | None, None, None),
        (int | None, "5", 5),
        (None | str, "", None),
        (int | str, 5, 5),
        (Any, "x", "x"),
    ],
)
def test_a_value_becomes_what_the_setting_is(kind, value, wanted):
    found = convert(kind, value)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Size, "2"),
        (int, True),
        (int, 1.5),
        (float, True),
        (str, ["a"]),
        (list, 5),
        (list, "x"),
        (list, "[" * 10**5),
        (dict, []),
        (int | None, "x"),
        (type(None), "x"),
    ],
)
def test_what_does_not_fit_is_a_value_error(kind, value):
    with pytest.raises(ValueError):
        convert(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Octal, 0o27, "0o027"),
        (Size, Size.SMALL, "1"),
        (bool, False, "false"),
        (set, {2, 1}, "[1, 2]"),
        (dict, {"é": 1}, '{"é": 1}'),
        (str, None, ""),
    ],
)
def test_values_are_written_as_they_are_read(kind, value, text):
    assert written(value, kind) == text
