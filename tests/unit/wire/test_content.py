"""Values through JSON, msgpack and forms, and what hostile ones get."""

import time
import tracemalloc
from collections import OrderedDict, UserDict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kettlingar.errors import BadRequest
from kettlingar.wire.content import (
    Kind,
    decode_body,
    from_form,
    from_json,
    from_msgpack,
    from_query,
    negotiate,
    to_json,
    to_msgpack,
)
from tests.unit.wire.wire_help import few

BOTH = pytest.mark.parametrize(
    ("encode", "decode"),
    [(to_json, from_json), (to_msgpack, from_msgpack)],
    ids=["json", "msgpack"],
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | TEXTS | st.binary(max_size=8)
LEAVES = LEAVES | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@BOTH
@few
@given(VALUES)
def test_plain_values_arrive_as_they_were(encode, decode, value):
    assert decode(encode(value)) == value


class Colour(Enum):
    RED = "red"


class When(Enum):
    START = date(2020, 1, 2)


class Level(IntEnum):
    HIGH = 3


class Pair(NamedTuple):
    x: int
    y: int


@dataclass
class Point:
    x: int
    label: Any


class Box(msgspec.Struct):
    width: int
    held: Any = None


@BOTH
@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        ((1, (2,)), [1, [2]]),
        ({1}, [1]),
        (frozenset({1}), [1]),
        (deque([1, 2]), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=1), {"a": 1}),
        (MappingProxyType({"a": b"x"}), {"a": b"x"}),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (Colour.RED, "red"),
        (When.START, "2020-01-02"),
        (Level.HIGH, 3),
        (Pair(1, 2), [1, 2]),
        (Point(1, Path("/a")), {"x": 1, "label": "/a"}),
        (Box(2, Point(1, b"")), {"width": 2, "held": {"x": 1, "label": b""}}),
        (datetime(2020, 1, 2, 3, 4, tzinfo=UTC), "2020-01-02T03:04:00+00:00"),
        (date(2020, 1, 2), "2020-01-02"),
        (clock_time(1, 2), "01:02:00"),
        (timedelta(minutes=1), 60.0),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (2**64, 2**64),
        (-(2**63) - 1, -(2**63) - 1),
        (-(10**400), -(10**400)),
        ({"a": {Path("b")}}, {"a": ["b"]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rich_values_arrive_as_plain_ones(encode, decode, value, arrives):
    assert decode(encode(value)) == arrives


@BOTH
def test_a_default_is_asked_for_what_has_no_form(encode, decode):
    class Odd:
        pass

    assert decode(encode([Odd()], lambda value: {Path(type(value).__name__)})) == [["Odd"]]
    with pytest.raises(TypeError, match="cannot send a Odd: it has no form"):
        encode([Odd()])
    with pytest.raises(TypeError, match="cannot send a type"):
        encode(Point)


@BOTH
def test_what_cannot_be_sent_says_why(encode, decode):
    loop: list[Any] = []
    loop.append(loop)
    for value in (loop, "\ud800", {"\udcff": 1}):
        with pytest.raises(ValueError, match=r"cannot write|Circular|limit"):
            encode(value)
    with pytest.raises(ValueError, match=r"cannot write|Circular"):
        encode(object(), lambda value: value)
    assert decode(encode("\N{SNOWMAN}")) == "\N{SNOWMAN}"


def test_what_is_too_deep_to_be_written_says_so():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for encode in (to_json, to_msgpack):
        with pytest.raises(ValueError, match=r"too deep|limit"):
            encode(deep)


def test_json_has_no_nan():
    with pytest.raises(ValueError, match=r"cannot write|compliant"):
        to_json(float("nan"))
    assert from_msgpack(to_msgpack(float("inf"))) == float("inf")


def test_json_is_compact_and_carries_bytes_of_any_length():
    assert to_json({"a": [b"", b"\xff"], "b": "é"}) == (
        '{"a":[{"__base64__":""},{"__base64__":"/w=="}],"b":"é"}'.encode()
    )
    assert from_json(b'[{"__bytes__": "\xc3\xa9"}, {"__bytes__": ""}]') == ["é".encode(), b""]
    assert from_json(b'{"__base64__": "", "more": 1}') == {"__base64__": "", "more": 1}
    assert from_json(b' {"a": "\\u00e9\\ud83d\\ude00"}\n') == {"a": "é😀"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"[1,]",
        b"[1] 2",
        b"{'a': 1}",
        b"\xef\xbb\xbf1",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'["\\udc00"]',
        b'{"a": {"\\ud800": 1}}',
        b'"a\nb"',
        b"NaN",
        b"-Infinity",
        b"[1e999]",
        b"1" * 5000,
        b'{"a": 1, "a": 2}',
        b'{"b": {"a": 1, "\\u0061": 2}}',
        b'{"__base64__": "!"}',
        b'{"__base64__": "a"}',
        b'{"__base64__": 1}',
        b'{"__bytes__": []}',
        b'{"__bytes__": "\\ud800"}',
        b'{"__fd__": {"index": 0, "kind": "file"}}',
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 65 + b"}" * 65,
        "1".encode("utf-16"),
    ],
    ids=lambda data: repr(data[:30]),
)
def test_json_with_two_meanings_or_none_is_400(data):
    with pytest.raises(BadRequest, match="cannot "):
        from_json(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xc0\xc0",
        b"\xa1\xff",
        b"\xa3\xed\xa0\x80",
        b"\x92\x01",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\x01\x02",
        b"\x81\x90\x01",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff" + b"\xc0" * 1000,
        b"\xd7\xff" + b"\xff" * 8,
        b"\xc7\x0c\xff\x00\x00\x00\x00" + b"\x7f" + b"\xff" * 7,
        b"\xd5\xff\x00\x00",
        b"\xd4\x01z",
        b"\xc7\x03\x01+12",
        b"\xc7\x03\x011_2",
        b"\xc7\x00\x01",
        b"\xd4\x02z",
        b"\xd5\x02\xc0\xc0",
        b"\xd4\x02\xc1",
        b"\xc7\x01\x02\xc0",
        b"\xd4\x63z",
        b"\x91" * 65 + b"\xc0",
        b"\x81\xa1a" * 65 + b"\xc0",
        b"\x91" * 900 + b"\xc0",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_msgpack_with_two_meanings_or_none_is_400(data):
    with pytest.raises(BadRequest, match="cannot "):
        from_msgpack(data)


def test_nesting_may_have_its_limit():
    assert from_json(b"[" * 64 + b"]" * 64)
    assert from_json(b'[["[[[]]]{{{","\\"[[[","\\\\"],[[]],{"a":[]}]', max_depth=3)
    assert from_msgpack(b"\x91" * 63 + b"\x80")
    assert from_msgpack(to_msgpack([["\x91" * 99, list(range(-99, 99))] * 99]), max_depth=3)
    assert from_msgpack(to_msgpack("\x91" * 9), max_depth=0) == "\x91" * 9
    assert from_msgpack(to_msgpack(b"\x91" * 99), max_depth=3) == b"\x91" * 99
    with pytest.raises(BadRequest, match="deeper than 2"):
        from_json(b"[1,[2,[3]]]", max_depth=2)
    with pytest.raises(BadRequest, match="deeper than 2"):
        from_msgpack(to_msgpack([1, {"a": [3]}]), max_depth=2)


@few
@given(VALUES, st.integers(0, 6))
def test_both_measure_depth_alike(value, most):
    deep = depth_of(value)
    for encode, decode in ((to_json, from_json), (to_msgpack, from_msgpack)):
        # bytes are an object in JSON
        if encode is to_json and b"__base64__" in encode(value):
            continue
        if deep <= most:
            assert decode(encode(value), max_depth=most) == value
        else:
            with pytest.raises(BadRequest):
                decode(encode(value), max_depth=most)


def depth_of(value):
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (from_json, b"[" * 100_000),
        (from_json, b'{"a":' * 100_000),
        (from_json, b'["' + b"\\" * 100_000 + b"[" * 100),
        (from_json, b'["' + b'\\"' * 100_000 + b"[" * 100),
        (from_json, b"[" + b"1" * 5000),
        (from_msgpack, b"\x91" * 100_000),
        (from_msgpack, b"\x81\xa1a" * 100_000),
        (from_msgpack, b"\xdd\x00\x0f\x00\x00" * 1000 + b"\xc0" * 1_000_000),
        (from_msgpack, b"\xdf\x00\x07\x00\x00\xa1a" * 1000 + b"\xc0" * 1_000_000),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_hostile_bodies_cost_neither_time_nor_memory(decode, data):
    begun = time.process_time()
    with pytest.raises(BadRequest):
        decode(data)
    assert time.process_time() - begun < 0.1  # ten times what it may be on a quiet machine
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(data) + 100_000
    finally:
        tracemalloc.stop()


def test_msgpack_reads_what_others_write():
    stamp = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert from_msgpack(msgpack.packb(stamp, datetime=True)) == stamp
    assert from_msgpack(msgpack.packb({b"raw": b"\xff"})) == {b"raw": b"\xff"}
    assert from_msgpack(to_msgpack({1: 2}), any_keys=True) == {1: 2}
    assert to_msgpack(-(2**64)) == b"\xc7\x12\x01-10000000000000000"


# --- types --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "content_type", "kind"),
    [
        ("", "", Kind.JSON),
        ("*/*", "", Kind.JSON),
        ("*/*", "application/x-msgpack", Kind.MSGPACK),
        ("", "application/msgpack; v=1", Kind.MSGPACK),
        ("", "application/json; charset=utf-8", Kind.JSON),
        ("*/*", "application/x-www-form-urlencoded", Kind.JSON),
        ("application/json", "application/x-msgpack", Kind.JSON),
        ("application/x-msgpack", "application/json", Kind.MSGPACK),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", Kind.JSON),
        ("text/html,*/*;q=0.8", "application/x-msgpack", Kind.MSGPACK),
        ("application/json;q=0.5, Application/MsgPack", "", Kind.MSGPACK),
        ("application/json, application/msgpack", "", Kind.JSON),
        ("application/msgpack;q=0, application/json;q=0.1", "", Kind.JSON),
        ("application/msgpack;v=1;q=x", "", Kind.JSON),
        ("application/x-www-form-urlencoded", "", Kind.JSON),
    ],
)
def test_the_answer_is_what_the_caller_reads(accept, content_type, kind):
    assert negotiate(accept, content_type) is kind


def test_a_body_is_read_by_its_type():
    assert Kind.MSGPACK.mimetype == "application/x-msgpack"
    assert decode_body("application/x-msgpack", b"\x81\xa1a\x01") == {"a": 1}
    assert decode_body("Application/JSON; charset=utf-8", b'{"a": 1}') == {"a": 1}
    assert decode_body("", b'{"a": 1}') == {"a": 1}
    assert decode_body("application/x-www-form-urlencoded", b"a=1") == {"a": "1"}
    with pytest.raises(BadRequest, match=r"text/plain.*send application/x-msgpack"):
        decode_body("text/plain", b"a")
    with pytest.raises(BadRequest, match="deeper than 1"):
        decode_body("application/json", b"[[1]]", max_depth=1)


def test_fields_may_come_repeatedly():
    assert from_query("a=1&b=&a=2&c=%C3%A9+x&a=3&d") == {
        "a": ["1", "2", "3"], "b": "", "c": "é x", "d": "",
    }  # fmt: skip
    assert from_query("") == {}
    assert from_form(b"a=%26") == {"a": "&"}


def test_broken_fields_are_400():
    for data in (b"a=\xff", b"a=%ff", b"&".join([b"a=1"] * 1001)):
        with pytest.raises(BadRequest, match="cannot read the f"):
            from_form(data)
