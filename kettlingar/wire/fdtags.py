"""Placeholders for open files and sockets in arguments and results: numbers and words only.

The descriptors themselves travel beside the message (transport.fdpass); a tag says which
of them is meant, and what to make of it. In msgpack a tag is ext type 2 (a msgpack map
of its fields), in JSON `{"__fd__": {...}}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from kettlingar.errors import BadRequest

MAX_FDS = 253  # that Linux lets travel with one message (SCM_MAX_FD)


@dataclass(frozen=True, slots=True)
class FdTag:
    """The `index`-th descriptor beside this message, and what it was at its sender."""

    index: Annotated[int, msgspec.Meta(ge=0, lt=MAX_FDS)]
    kind: Literal["file", "socket"]
    mode: Annotated[str, msgspec.Meta(max_length=8)] = ""  # of a file, as open() has it
    encoding: Annotated[str, msgspec.Meta(max_length=40)] | None = None  # of a text file
    family: int = 0  # of a socket, like the next two
    type: int = 0
    proto: int = 0


Resolve = Callable[[FdTag], Any]
Default = Callable[[Any], Any]


def tag_default(take: Callable[[object], FdTag | None]) -> Default:
    """A `default=` for the encoders, that replaces what `take` knows by its tag.

    `take` returns None for what is neither an open file nor a socket.
    """

    def default(value: object) -> FdTag:
        tag = take(value)
        if tag is None:
            raise TypeError(
                f"cannot send a {type(value).__name__}: it has no form in JSON or msgpack;"
                " send plain data, a dataclass, or an open file or socket"
            )
        return tag

    return default


def as_fields(tag: FdTag) -> dict[str, Any]:
    """A tag as plain data."""
    # Written out: dataclasses.asdict copies deeply, which cost more than the system calls.
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
    if resolve is None:
        raise BadRequest("cannot take a descriptor here: none can come with this message")
    try:
        tag = msgspec.convert(fields, FdTag)
    except msgspec.ValidationError as error:
        raise BadRequest(f"cannot read a descriptor's placeholder: {error}") from None
    return resolve(tag)
