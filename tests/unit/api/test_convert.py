"""What an annotation makes of a value, from the wire or from a command line."""

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, Union
from uuid import UUID

import msgspec
import pytest

from kettlingar.api.binding import guarantee_type
from kettlingar.api.convert import type_name


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int
    y: int = 0
    at: Path = Path()


class Box(msgspec.Struct):
    width: int


class Pair(NamedTuple):
    left: int
    right: int


class Options(TypedDict, total=False):
    size: int


class Celsius:
    def __init__(self, text: str) -> None:
        self.degrees = float(text)

    def __repr__(self):
        return f"Celsius({self.degrees})"  # tests have the same names in every process

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Celsius) and self.degrees == other.degrees

    __hash__ = None


UserId = NewType("UserId", int)

GOOD = [
    (int, 5, 5),
    (int, "5", 5),
    (int, " 7 ", 7),
    (int, "-5", -5),
    (int, "0x1f", 31),
    (int, "-0X1F", -31),
    (int, "0o17", 15),
    (int, "0b1", 1),
    (int, "010", 10),
    (int, 3.0, 3),
    (int, 2**70, 2**70),
    (float, "1.5", 1.5),
    (float, 2, 2.0),
    (bool, True, True),
    *[(bool, word, True) for word in ("true", "T", "yes", "Y", "1", 1)],
    *[(bool, word, False) for word in ("false", "f", "No", "n", "0", 0)],
    (str, "a", "a"),
    (str, b"a", "a"),
    (str, 5, "5"),
    (bytes, "é", b"\xc3\xa9"),
    (bytes, bytearray(b"a"), b"a"),
    (bytearray, b"a", bytearray(b"a")),
    (None, "none", None),
    (Any, {"a": 1}, {"a": 1}),
    (object, 3, 3),
    (Optional[int], None, None),  # noqa: UP045  both spellings are to work
    (int | None, "5", 5),
    (int | None, "", None),
    (int | None, "None", None),
    (str | None, "None", "None"),
    (int | str, "5", "5"),
    (Union[bool, float], "yes", True),  # noqa: UP007  likewise
    (float | int, "5", 5),
    (list[int] | None, ["1"], [1]),
    (list, ["a"], ["a"]),
    (list[int], ["0x10", 2], [16, 2]),
    (list[int], "[1, 2]", [1, 2]),
    (list[str], "a,b", ["a,b"]),
    (list[list[int]], [["1"]], [[1]]),
    (set[int], ["1", 1], {1}),
    (frozenset[str], ["a"], frozenset("a")),
    (Sequence[int], ("1",), [1]),
    (tuple, [1, 2], (1, 2)),
    (tuple[int, str], ["1", 2], (1, "2")),
    (tuple[int, ...], ["1", "2"], (1, 2)),
    (dict, {"a": 1}, {"a": 1}),
    (dict, '{"a": 1}', {"a": 1}),
    (dict[str, int], {"a": "1"}, {"a": 1}),
    (Mapping[str, Path], {"a": "/x"}, {"a": Path("/x")}),
    (Literal["a", 1], "a", "a"),
    (Literal["a", 1], "1", 1),
    (Colour, "red", Colour.RED),
    (Colour, "RED", Colour.RED),
    (Colour, Colour.BLUE, Colour.BLUE),
    (Level, 1, Level.LOW),
    (Level, "1", Level.LOW),
    (Point, {"x": 1, "at": "/tmp"}, Point(1, 0, Path("/tmp"))),
    (Point, '{"x": "1"}', Point(1)),
    (list[Point], [{"x": 1}], [Point(1)]),
    (Box, {"width": 3}, Box(3)),
    (Box, Box(3), Box(3)),
    (Pair, [1, 2], Pair(1, 2)),
    (Options, {"size": 1}, {"size": 1}),
    (datetime, "2024-02-03T04:05:06Z", datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)),
    (date, "2024-02-03", date(2024, 2, 3)),
    (timedelta, "PT1M", timedelta(minutes=1)),
    (UUID, "12345678123456781234567812345678", UUID(int=0x12345678123456781234567812345678)),
    (Decimal, "1.50", Decimal("1.50")),
    (Path, "/a/b", Path("/a/b")),
    (Celsius, "36.6", Celsius("36.6")),
    (Celsius | None, "36.6", Celsius("36.6")),
    (UserId, "3", 3),
    (Annotated[int, "a note"], "3", 3),
    (Annotated[int, msgspec.Meta(gt=0)], "3", 3),
    (Annotated[int, {"not": "hashable"}], "3", 3),
]

BAD = [
    (int, "abc", "invalid literal for int() with base 10: 'abc'"),
    (int, "", "invalid literal for int() with base 10: ''"),
    (int, "0xzz", "invalid literal for int() with base 16: '0xzz'"),
    (int, "9" * 5000, "digits"),
    (int, 1.5, "1.5 is not a whole number"),
    (int, True, "bool True is not int"),
    (int, None, "NoneType None is not int"),
    (int, [1], "a list is not int"),
    (float, "x", "could not convert string to float: 'x'"),
    (float, 10**400, "int too large to convert to float"),
    (bool, "maybe", "'maybe' is neither true/t/yes/y/1"),
    *[(bool, word, "is neither") for word in ("on", "off", "ja", "", "tr", "2", "yes!", "None")],
    (bool, 2, "2 is neither"),
    (bool, None, "is not bool"),
    (str, ["a"], "is not str"),
    (str, b"\xff", "can't decode byte"),
    (bytes, 5, "is not bytes"),
    (int | None, "x", "invalid literal for int() with base 10: 'x'"),
    (int | float, "x", "base 10: 'x'; could not convert"),
    (list[int], ["a"], "invalid literal for int()"),
    (list[int], 5, "is not list"),
    (list[int], "[1", "is no JSON"),
    (tuple[int, int], [1], "1 values are not 2"),
    (dict, [1], "is not dict"),
    (dict, "x", "is no JSON"),
    (Literal["a", "b"], "c", "'c' is not one of a, b"),
    (Literal[1], True, "not one of 1"),
    (Colour, "green", "'green' is not one of red, blue"),
    (Point, {"y": 1}, "missing required field `x`"),
    (Point, {"x": "z"}, "x"),
    (Box, {"width": "z"}, "width"),
    (datetime, "yesterday", "Invalid RFC3339"),
    (Celsius, "hot", "could not convert string to float"),
    (Celsius, 5, "int 5 is not Celsius"),
    (typing.IO[str], "/etc/passwd", "is not IO"),
    (Annotated[int, msgspec.Meta(gt=0)], "0", ">= 1"),
]


@pytest.mark.parametrize(("rule", "value", "wanted"), GOOD, ids=repr)
def test_a_value_becomes_what_the_annotation_says(rule, value, wanted):
    found = guarantee_type(rule, value)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(("rule", "value", "words"), BAD, ids=lambda x: repr(x)[:40])
def test_what_cannot_be_converted_says_so_in_pythons_words(rule, value, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        guarantee_type(rule, value)
    assert words in str(caught.value)


def test_what_is_right_already_is_not_copied():
    for rule, value in ((list, [1]), (dict, {}), (Point, Point(1)), (Celsius, Celsius("1"))):
        assert guarantee_type(rule, value) is value or rule is list


def test_deep_json_text_is_an_error_and_no_crash():
    with pytest.raises(ValueError, match="no JSON"):
        guarantee_type(list, "[" * 100_000)


def test_long_values_are_not_repeated_in_errors():
    with pytest.raises(ValueError) as caught:
        guarantee_type(bool, "x" * 100_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (int, "int"),
        (None, "None"),
        (int | None, "int | None"),
        (Optional[Path], "Path | None"),  # noqa: UP045  likewise
        (list[dict[str, Path]], "list[dict[str, Path]]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Annotated[int, 3], "int"),
        (Any, "Any"),
        (Callable[[int], str], "Callable[[int], str]"),
        (UserId, "UserId"),
        (typing.AsyncIterator[int], "AsyncIterator[int]"),
        ("Missing", "Missing"),
    ],
    ids=repr,
)
def test_types_are_named_as_a_person_writes_them(rule, text):
    assert type_name(rule) in (text, f"test_convert.{text}")


def test_open_files_pass_as_they_are():
    with open(__file__) as file:
        assert guarantee_type(typing.IO[str], file) is file
        assert guarantee_type(typing.TextIO | None, file) is file


def test_a_union_with_anything_takes_anything():
    assert guarantee_type(int | Any, "x") == "x"
    assert guarantee_type(Callable[[int], str], len) is len
