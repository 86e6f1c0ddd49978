"""Placeholders for open files and sockets in arguments and results: numbers and words only.

The descriptors themselves travel beside the message (transport.fdpass); a tag says which
of them is meant, and what to make of it. In msgpack a tag is ext type 2 (a msgpack map
of its fields), in JSON `{"__fd__": {...}}`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kettlingar.errors import BadRequest

from ._values import Value

MAX_FDS = 253  # that Linux lets travel with one message (SCM_MAX_FD)


_KINDS: Final = ("file", "socket")
_MAX_MODE: Final = 8  # characters
_MAX_ENCODING: Final = 40


class FdTag(Value):
    """The `index`-th descriptor beside this message, and what it was at its sender.

    `mode` and `encoding` are a file's, as open() has them; the numbers are a socket's.
    """

    __slots__ = ("encoding", "family", "index", "kind", "mode", "proto", "type")

    def __init__(  # noqa: PLR0917  a value has its fields in their order
        self,
        index: int,
        kind: str,
        mode: str = "",
        encoding: str | None = None,
        family: int = 0,
        type: int = 0,  # noqa: A002  as socket.socket has it
        proto: int = 0,
    ) -> None:
        self.index = index
        self.kind = kind
        self.mode = mode
        self.encoding = encoding
        self.family = family
        self.type = type
        self.proto = proto


Resolve = Callable[[FdTag], Any]
Default = Callable[[Any], Any]


def as_fields(tag: FdTag) -> dict[str, Any]:
    """A tag as plain data."""
    return {
        "index": tag.index,
        "kind": tag.kind,
        "mode": tag.mode,
        "encoding": tag.encoding,
        "family": int(tag.family),
        "type": int(tag.type),
        "proto": tag.proto,
    }


def from_fields(fields: object, resolve: Resolve | None) -> Any:
    """What a tag from outside stands for. Raises BadRequest."""
    return resolved(tag_of(fields), resolve)


def resolved(tag: FdTag, resolve: Resolve | None) -> Any:
    """What a tag stands for. Raises BadRequest where no descriptor can be meant."""
    if resolve is None:
        raise BadRequest("cannot take a descriptor here: none can come with this message")
    return resolve(tag)


def tag_of(fields: object) -> FdTag:
    """The tag that plain data from outside are. Raises BadRequest."""
    if not isinstance(fields, dict):
        raise _unreadable(f"it is a {type(fields).__name__}, not an object")
    return FdTag(
        _number(fields, "index", None, MAX_FDS),
        _one_of_kinds(fields),
        _text(fields, "mode", _MAX_MODE) or "",
        _text(fields, "encoding", _MAX_ENCODING),
        _number(fields, "family", 0),
        _number(fields, "type", 0),
        _number(fields, "proto", 0),
    )


def _number(fields: dict[Any, Any], name: str, default: int | None, below: int = 2**63) -> int:
    number = fields.get(name, default)
    if type(number) is not int or not 0 <= number < below:
        raise _unreadable(f"its {name} is {number!r:.40}")
    return number


def _one_of_kinds(fields: dict[Any, Any]) -> str:
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _unreadable(f"its kind is {kind!r:.40}, not one of {', '.join(_KINDS)}")
    return kind


def _text(fields: dict[Any, Any], name: str, most: int) -> str | None:
    text = fields.get(name)
    if text is not None and (not isinstance(text, str) or len(text) > most):
        raise _unreadable(f"its {name} is {text!r:.40}")
    return text


def _unreadable(why: str) -> BadRequest:
    return BadRequest(f"cannot read a descriptor's placeholder: {why}")
