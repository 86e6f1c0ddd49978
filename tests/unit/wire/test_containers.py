"""How many lists and maps a payload may hold: each costs far more here than its one byte."""

from __future__ import annotations

import json
import time
import tracemalloc

import msgpack
import pytest

from kettlingar.errors import BadRequest
from kettlingar.wire.content import from_json, from_msgpack

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
