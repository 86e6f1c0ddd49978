"""JSON that says one thing only (RFC 8259, and RFC 7493 where that leaves it open).

Refused: doubled keys, NaN and infinities, lone surrogates, invalid UTF-8, and
depth that could hurt. Bytes travel as `{"__base64__": "..."}`; `{"__bytes__": "text"}`
is taken too (its UTF-8), as it is easier to write by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from kettlingar.errors import BadRequest

from ._plain import most_containers, plain
from .fdtags import Default, FdTag, Resolve, as_fields, from_fields

if TYPE_CHECKING:
    import json

_NOT_MARKS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_FEW: Final = 20  # bytes to a quote: with more, a list of the strings is cheap to make


def to_json(value: Any, default: Default | None = None) -> bytes:
    """Compact UTF-8 JSON. `default` is asked for what has no form of its own.

    Raises TypeError for what has none at all, ValueError for what JSON cannot hold.
    """
    # A function without a closure is a server's one and only, and keeps nothing else alive.
    usual = default is None or getattr(default, "__closure__", default) is None
    return (_kept_encoder if usual else json_encoder)(default)(value)


def json_encoder(default: Default | None) -> Callable[[Any], bytes]:
    """`to_json` with this `default`."""
    pieces = _pieces(default)

    def encode(value: Any) -> bytes:
        try:
            return "".join(pieces(value)).encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"cannot write JSON: {error.object[error.start : error.end]!r} is half a"
                " character; send bytes instead"
            ) from None
        except RecursionError:
            raise ValueError(
                "cannot write JSON: the value is nested too deep, or in itself"
            ) from None

    return encode


_kept_encoder = lru_cache(maxsize=8)(json_encoder)


def _pieces(default: Default | None) -> Callable[[Any], Iterable[str]]:
    """What makes the texts of which a value's JSON consists."""
    from json import encoder

    def encode_other(other: Any) -> Any:
        if isinstance(other, (bytes, bytearray, memoryview)):
            from base64 import b64encode

            return {"__base64__": b64encode(other).decode("ascii")}
        if isinstance(other, FdTag):
            return {"__fd__": as_fields(other)}
        return plain(other, default)

    make = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return encoder.JSONEncoder(
            separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=encode_other
        ).iterencode
    # JSONEncoder makes one for each value, which takes longer than a small value itself.
    encode = make(
        None, encode_other, encoder.encode_basestring, None, ":", ",", False, False, False
    )  # fmt: skip
    return lambda value: encode(value, 0)


def from_json(
    data: bytes, max_depth: int = 64, resolve: Resolve | None = None, *, trusted: bool = False
) -> Any:
    """The value of a JSON text. Raises BadRequest.

    `resolve` turns placeholders of descriptors into what they stand for. An answer of a
    `trusted` service may have any number of lists and objects.
    """
    if _at_most(max_depth, b"[", data) + _at_most(max_depth, b"{", data) > max_depth:
        marks = _marks(data)
        most = most_containers(len(data))
        if not trusted and marks.count(b"[") > most:
            raise BadRequest(f"cannot read the JSON: it has over {most} lists and objects")
        check_depth(marks, max_depth)
    decoder = _plain_decoder() if resolve is None else _decoder(resolve)
    try:
        value = decoder.decode(data.decode("utf-8"))
        if b"\\" in data and b"\\u" in data:  # the first is found in a moment
            _check_text(value)
    except BadRequest:
        raise
    except UnicodeError as error:
        raise BadRequest(f"cannot read the JSON: it is not UTF-8 ({error})") from None
    except ValueError as error:
        raise BadRequest(f"cannot read the JSON: {error}") from None
    return value


def _decoder(resolve: Resolve | None) -> json.JSONDecoder:
    import json

    def read_object(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise BadRequest("cannot read the JSON: a name comes twice in an object")
        if len(pairs) == 1 and pairs[0][0] in _SPECIAL:
            return _special(*pairs[0], resolve)
        return found

    return json.JSONDecoder(
        object_pairs_hook=read_object, parse_constant=_no_constant, parse_float=_finite
    )


_SPECIAL: Final = frozenset(("__base64__", "__bytes__", "__fd__"))


def _at_most(most: int, mark: bytes, data: bytes) -> int:
    """How often `mark` comes, but no more than once over `most`: `count` looks at every byte."""
    return len(data.split(mark, most + 1)) - 1


def _marks(data: bytes) -> bytes:
    """The brackets of a JSON text that are not in strings, all of one kind."""
    if data.count(b'"') * _FEW < len(data):
        return b"".join(_outside(data)).translate(_ONE_KIND, _NOT_MARKS)
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # two adjacent quotes may go: everything else stays inside or outside of strings
    marks = data.translate(_ONE_KIND, _NOT_MARKS).replace(b'""', b"")
    return b"".join(marks.split(b'"')[::2])


def _outside(data: bytes) -> list[bytes]:
    """The parts of a JSON text that are not in strings."""
    parts = data.split(b'"')
    if b"\\" not in data:
        return parts[::2]
    outside = []
    inside = False
    for part in parts:
        if not inside:
            outside.append(part)
            inside = True
        elif not part.endswith(b"\\") or (len(part) - len(part.rstrip(b"\\"))) % 2 == 0:
            inside = False
    return outside


def check_depth(left: bytes, max_depth: int) -> None:
    """Refuse what is nested deeper than `max_depth`, before a parser recurses into it.

    Taking away all innermost pairs of brackets takes away one level.
    """
    too_deep = b"[" * (max_depth + 1)
    for _ in range(max_depth):
        if too_deep in left:  # found in a moment, where taking levels away takes long
            break
        shorter = left.replace(b"[]", b"")
        if len(shorter) == len(left):
            break
        left = shorter
    if left:
        raise BadRequest(f"cannot read the JSON: it is nested deeper than {max_depth}, or broken")


def _special(name: str, text: Any, resolve: Resolve | None) -> Any:
    if name == "__fd__":
        return from_fields(text, resolve)
    if not isinstance(text, str):
        raise BadRequest(f"cannot read the JSON: {name} holds no text")
    if name == "__bytes__":
        return text.encode("utf-8")
    try:
        from base64 import b64decode

        return b64decode(text, validate=True)
    except ValueError:  # binascii.Error is one
        raise BadRequest("cannot read the JSON: __base64__ holds no base64") from None


def _no_constant(name: str) -> float:
    raise BadRequest(f"cannot read the JSON: {name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise BadRequest(f"cannot read the JSON: {text[:32]} is too large a number")
    return number


def _check_text(value: Any) -> None:
    """Escapes can spell half a character, which no other text can carry."""
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict):
        for name, inner in value.items():
            name.encode("utf-8")
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)


@cache
def _plain_decoder() -> json.JSONDecoder:
    return _decoder(None)
