"""How many lists and maps a payload may hold: each costs far more here than its one byte."""

from __future__ import annotations

import json
import time
import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kettlingar.errors import BadRequest
from kettlingar.wire.content import from_json, from_msgpack
from tests.unit.wire.wire_help import few

MANY = 40_000
EMPTY_MAPS = b"\xdc\xff\xff" + b"\x80" * 0xFFFF
NESTED_MAPS = b"\xdd" + (1_000_000).to_bytes(4, "big") + b"\x80" * 1_000_000


@pytest.mark.parametrize("body", [EMPTY_MAPS, NESTED_MAPS, msgpack.packb([[]] * MANY)])
def test_msgpack_with_too_many_of_them_is_refused_soon_and_in_little_memory(body):
    tracemalloc.start()
    began = time.thread_time()
    with pytest.raises(BadRequest, match="lists and maps"):
        from_msgpack(body)
    took = time.thread_time() - began
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 * 2**20
    assert took < 1.0  # it was 0.7 s without tracing; see tests/faults for the loop's share


def test_json_with_too_many_of_them_is_refused():
    with pytest.raises(BadRequest, match="lists and objects"):
        from_json(b"[" + b"{}," * MANY + b"1]")


def test_brackets_in_texts_and_bytes_are_not_counted():
    assert from_json(json.dumps("[" * MANY).encode()) == "[" * MANY
    assert from_msgpack(msgpack.packb(b"\x80" * MANY)) == b"\x80" * MANY


def test_a_long_list_of_small_things_is_no_offence():
    points = [[n, n] for n in range(30_000)]
    assert from_msgpack(msgpack.packb(points)) == points
    assert from_json(json.dumps(points).encode()) == points


def test_an_answer_from_a_service_may_have_any_number():
    many = [{}] * MANY
    assert from_msgpack(msgpack.packb(many), any_keys=True) == many
    assert from_json(json.dumps(many).encode(), trusted=True) == many


NASTY = st.text(alphabet='[]{}"\\,: a', max_size=9)
NESTED = st.recursive(NASTY, lambda inner: st.lists(inner, max_size=3), max_leaves=20)


@few
@given(NESTED, st.integers(0, 400), st.integers(0, 6))
def test_only_brackets_outside_of_texts_make_depth(value, padding, most):
    """However many quotes there are: a text with few of them is taken apart in another way."""
    body = json.dumps([value, "x" * padding]).encode()
    if 1 + depth_of(value) <= most:
        assert from_json(body, max_depth=most) == [value, "x" * padding]
    else:
        with pytest.raises(BadRequest, match="deeper than"):
            from_json(body, max_depth=most)


def depth_of(value):
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def cost(read, body):
    """Seconds of this thread's time; the best of many, since others want the processor too."""
    took = []
    for _ in range(15):
        began = time.thread_time()
        read(body)
        took.append(time.thread_time() - began)
    return min(took)


K = 1 << 17
SOURCE = 'log.info("[%s] \\n", {"a": [1]})\n' * (K // 36)


@pytest.mark.parametrize(
    ("read", "plain", "body"),
    [
        (from_json, json.loads, json.dumps(["[["] * (K // 6)).encode()),
        (from_json, json.loads, json.dumps(["[[{]" * 8] * (K // 36)).encode()),
        (from_json, json.loads, json.dumps("[" * K).encode()),
        (from_json, json.loads, json.dumps("a" * K).encode()),
        (from_json, json.loads, json.dumps(SOURCE).encode()),
        (from_msgpack, msgpack.unpackb, msgpack.packb([None] * K)),
        (from_msgpack, msgpack.unpackb, msgpack.packb([[None] * 100] * (K // 100))),
        (from_msgpack, msgpack.unpackb, msgpack.packb([[1] * 30] * (K // 32))),
    ],
    ids=["quoted brackets", "more of them", "one text", "letters", "source", "nils", "in lists",
         "numbers in lists"],
)  # fmt: skip
def test_to_know_the_depth_costs_no_more_than_a_few_times_the_reading(read, plain, body):
    ratio = cost(read, body) / cost(plain, body)
    print(f"{ratio:.1f} x plain decoding")
    assert ratio < 8  # 1 to 4 when it is quiet
