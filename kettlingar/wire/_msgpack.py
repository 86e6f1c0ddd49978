"""msgpack, and what this wire adds to it.

ext 1    an integer beyond 64 bits, as hexadecimal text ("-1f")
ext 2    an open file or socket (fdtags)
ext -1   a timestamp of the msgpack specification, read only
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NoReturn

import msgpack

from kettlingar.errors import BadRequest

from ._plain import most_containers, plain
from .fdtags import Default, FdTag, Resolve, as_fields, resolved, tag_of

EXT_INTEGER: Final = 1
EXT_FD: Final = 2

_HEX: Final = re.compile(rb"-?[0-9A-Fa-f]+")
_PACKED: Final = frozenset((dict, list, tuple, str, bytes, bytearray, float, bool, type(None)))
_SMALL: Final = 512  # bytes; what these can claim does no harm
_SHORT_FLOAT: Final = b"\xca"
_SMALL_ITEM: Final = 256  # bytes: not deeper than an answer may be
_MOST_CLAIMED: Final = 2**20  # places in lists and maps that a message may only pretend to fill
_USUAL_TAG: Final = 128  # bytes of a placeholder that is remembered
_DATETIME: Final = 3  # msgpack's name for "timestamps are datetimes"
_NOT_LARGE: Final = bytes(set(range(256)) - {0xDC, 0xDD, 0xDE, 0xDF})  # arrays and maps
# What a byte may begin: a map, a list; or it only looks so, in a text.
_MAP: Final = 1
_MARKS: Final = bytes(0x80) + b"\1" * 16 + b"\2" * 16 + bytes(0x3C) + b"\2\2\1\1" + bytes(32)
_TWICE: Final = "cannot read the msgpack: a key comes twice in a map"


def to_msgpack(value: Any, default: Default | None = None) -> bytes:
    """`value` in msgpack. `default` is asked for what has no form of its own.

    Raises TypeError for what has none at all, ValueError for what is nested too deep.
    """
    return msgpack_encoder(default)(value)


def msgpack_encoder(default: Default | None) -> Callable[[Any], bytes]:
    """`to_msgpack` with this `default`."""
    encode_other = partial(_encode_other, default=default)

    def encode(value: Any) -> bytes:
        try:
            data: bytes = msgpack.Packer(default=encode_other).pack(value)
        except UnicodeEncodeError as error:
            raise ValueError(
                f"cannot write msgpack: {error.object[error.start : error.end]!r} is half a"
                " character; send bytes instead"
            ) from None
        except RecursionError:
            raise ValueError("cannot write msgpack: a value is made of itself") from None
        return data

    return encode


def _encode_other(other: Any, default: Default | None) -> Any:
    """What msgpack asks for: once for each value, so what comes of it must be in its own types."""
    if default is not None and hasattr(other, "fileno"):
        other = default(other)  # an open file: nothing that `plain` knows
    if isinstance(other, FdTag):
        return _packed_tag(other)
    if isinstance(other, int):
        return msgpack.ExtType(EXT_INTEGER, format(other, "x").encode("ascii"))
    found = other if type(other) in _PACKED else plain(other, default)
    if type(found) in _PACKED or (isinstance(found, int) and -(2**63) <= found < 2**64):
        return found
    return _encode_other(found, default)


def from_msgpack(
    data: bytes, max_depth: int = 64, resolve: Resolve | None = None, *, any_keys: bool = False
) -> Any:
    """The one value that `data` holds. Raises BadRequest.

    Keys are texts or bytes; `any_keys` takes others too (for answers, from a service we trust:
    integers can be chosen such that a dict becomes slow).
    """

    marks = data.translate(_MARKS)  # which costs a quarter of what a search does
    alone = marks.count(_MAP) == 1 and 0x80 < data[0] < 0x90
    if not alone or len(data) > max_depth:  # else its one short map holds no other, nor is it deep
        return _careful(data, marks, max_depth, resolve, any_keys)
    try:
        value = msgpack.unpackb(
            data,
            timestamp=_DATETIME,
            ext_hook=_read_ext if resolve is None else partial(_read_ext, resolve=resolve),
            strict_map_key=not any_keys,
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise _explained(error) from None
    if len(value) != data[0] & 15:
        raise BadRequest(_TWICE)
    return value


def from_msgpacks(bodies: Sequence[bytes]) -> list[Any] | None:
    """The values of many small bodies of a service we trust, read as one list; None: look at each.

    A value that is as long when it is written anew holds all that its body held: where a key comes
    twice it is shorter. Only a short float would be longer, so what may have one is read by itself.
    """
    if max(map(len, bodies)) > _SMALL_ITEM:
        return None
    data = b"".join(bodies)
    if len(data.translate(None, _NOT_LARGE)) * len(data) > _MOST_CLAIMED:
        return None
    try:
        values: list[Any] = msgpack.unpackb(
            b"\xdd%b%b" % (len(bodies).to_bytes(4, "big"), data),
            timestamp=_DATETIME,  # of which none can be written anew
            ext_hook=_not_here,
            strict_map_key=False,
        )
        same = list(map(len, map(msgpack.Packer().pack, values))) == list(map(len, bodies))
        if same and _SHORT_FLOAT in data:
            for index, body in enumerate(bodies):
                if _SHORT_FLOAT in body:
                    values[index] = from_msgpack(body, any_keys=True)
    except (ValueError, TypeError, OverflowError):
        return None  # whoever looks at each finds which one it is
    return values if same else None


def _not_here(code: int, _payload: bytes) -> NoReturn:
    raise ValueError(f"ext type {code}")


def _careful(
    data: bytes, marks: bytes, max_depth: int, resolve: Resolve | None, any_keys: bool
) -> Any:
    read_list: Callable[[Any], Any] | None = None
    read_map: Callable[[Any], Any] = _read_map
    openers = len(data) - marks.count(0)
    if not any_keys and openers > most_containers(len(data)):
        read_map, read_list = _counting(most_containers(len(data)))
    try:
        if len(data) > _SMALL:
            _check_whole(data)
        value = msgpack.unpackb(
            data,
            timestamp=_DATETIME,
            object_pairs_hook=read_map,
            list_hook=read_list,
            ext_hook=partial(_read_ext, resolve=resolve),
            strict_map_key=not any_keys,
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise _explained(error) from None
    if openers > max_depth:
        check_depth(value, max_depth)
    return value


def _read_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRequest(_TWICE)
    return found


def _counting(most: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Readers of maps and lists that refuse more than `most` of them in all.

    An empty map is one byte there and sixty here, and each costs time.
    """
    left = most

    def read_list(found: list[Any]) -> list[Any]:
        nonlocal left
        left -= 1
        if left < 0:
            raise BadRequest(f"cannot read the msgpack: it has over {most} lists and maps")
        return found

    def read_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        read_list(pairs)
        return _read_map(pairs)

    return read_map, read_list


def _read_ext(code: int, payload: bytes, resolve: Resolve | None = None) -> Any:
    if code == EXT_FD:
        tag = _tag(payload) if len(payload) <= _USUAL_TAG else _tag.__wrapped__(payload)
        return resolve(tag) if resolve is not None else resolved(tag, None)
    if code == EXT_INTEGER and _HEX.fullmatch(payload):
        return int(payload, 16)
    raise BadRequest(f"cannot read the msgpack: ext type {code} means nothing here")


@lru_cache(maxsize=64)
def _tag(payload: bytes) -> FdTag:
    """Most that come are the first and only one, of a file in one of a few modes."""
    return tag_of(msgpack.unpackb(payload))


def _packed_tag(tag: FdTag) -> msgpack.ExtType:
    # by its fields: they have their hashes in C
    return _packed_fields(
        tag.index, tag.kind, tag.mode, tag.encoding, tag.family, tag.type, tag.proto
    )


@lru_cache(maxsize=64)
def _packed_fields(*fields: Any) -> msgpack.ExtType:
    from msgspec.msgpack import encode

    # A second packer of msgpack would cost 20 us: its buffer is large.
    return msgpack.ExtType(EXT_FD, encode(as_fields(FdTag(*fields))))


def _check_whole(data: bytes) -> None:
    """Walk over the message without making anything of it.

    msgpack's reader believes a list's length, up to the message's own, before it has
    seen its items, so that nested lists, each of which claims more than there is, would
    cost much memory. Few of them cost little: then nothing has to be walked.
    """
    if len(data.translate(None, _NOT_LARGE)) * len(data) <= _MOST_CLAIMED:
        return
    reader = msgpack.Unpacker(max_buffer_size=len(data), read_size=1)
    reader.feed(data)
    try:
        reader.skip()
    except msgpack.OutOfData:
        raise BadRequest("cannot read the msgpack: it ends before its value does") from None


def _explained(error: Exception) -> Exception:
    """What the reader of msgpack did not like, as a BadRequest; BadRequest as it is."""
    if isinstance(error, BadRequest):
        return error
    if isinstance(error, msgpack.ExtraData):
        return BadRequest("cannot read the msgpack: something follows the value")
    if isinstance(error, msgpack.StackError):
        return BadRequest("cannot read the msgpack: it is nested too deep")
    if isinstance(error, UnicodeDecodeError):
        return BadRequest("cannot read the msgpack: a text is not UTF-8")
    return BadRequest(f"cannot read the msgpack: {str(error) or 'a byte means nothing there'}")


def check_depth(value: Any, max_depth: int) -> None:
    """Refuse what is nested deeper than `max_depth`.

    msgpack's reader does not recurse, so this may come after it. It is asked for only where
    there are more bytes that could open a container than levels.
    """
    level = _containers([[value]])
    depth = 0
    while level:
        depth += 1
        if depth > max_depth:
            raise BadRequest(f"cannot read the msgpack: it is nested deeper than {max_depth}")
        level = _containers(level)


def _containers(level: list[Any]) -> list[Any]:
    """All lists and maps that are in these lists and maps: the next level."""
    found: list[Any] = []
    for outer in level:
        values = tuple(outer.values()) if type(outer) is dict else tuple(outer)
        try:
            hash(values)  # a tenth of the cost of looking at each: lists and maps have no hash
        except TypeError:
            found += [inner for inner in values if type(inner) is list or type(inner) is dict]
    return found
