"""Placeholders of descriptors: through both encodings, and none that nobody sent."""

import pytest

from kettlingar.errors import BadRequest
from kettlingar.wire.content import from_json, from_msgpack, to_json, to_msgpack
from kettlingar.wire.fdtags import FdTag

BOTH = pytest.mark.parametrize(
    ("encode", "decode"),
    [(to_json, from_json), (to_msgpack, from_msgpack)],
    ids=["json", "msgpack"],
)


class Handle:
    """Stands for an open file."""


def taker():
    taken = []

    def take(value):
        if not isinstance(value, Handle):
            return None
        taken.append(value)
        return FdTag(len(taken) - 1, "file", "rb")

    return take


@BOTH
def test_tags_keep_their_place_and_fields(encode, decode):
    socket = FdTag(7, "socket", "", None, 1, 2, 3)
    data = encode({"a": [Handle(), {"b": Handle()}], "c": socket}, taker())
    assert decode(data, resolve=lambda tag: tag) == {
        "a": [FdTag(0, "file", "rb"), {"b": FdTag(1, "file", "rb")}],
        "c": socket,
    }


@BOTH
def test_without_a_way_to_resolve_it_a_tag_is_400(encode, decode):
    with pytest.raises(BadRequest, match="cannot take a descriptor here"):
        decode(encode([FdTag(0, "file")]))


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {},
        {"index": 0},
        {"index": "0", "kind": "file"},
        {"index": -1, "kind": "file"},
        {"index": 253, "kind": "file"},
        {"index": 2**70, "kind": "file"},
        {"index": 0, "kind": "door"},
        {"index": 0, "kind": "file", "mode": "r" * 9},
        {"index": 0, "kind": "file", "encoding": "x" * 41},
    ],
)
def test_a_broken_tag_is_400_and_resolves_nothing(fields):
    def resolve(tag):
        raise AssertionError(tag)

    with pytest.raises(BadRequest, match="cannot read a descriptor's placeholder"):
        from_json(to_json({"__fd__": fields}), resolve=resolve)
