"""Bodies <-> values: which content type, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from kettlingar.errors import BadRequest

from ._json import from_json, json_encoder, to_json
from ._msgpack import from_msgpack, from_msgpacks, msgpack_encoder, to_msgpack
from .fdtags import Resolve

__all__ = [
    "Kind",
    "decode_body",
    "from_form",
    "from_json",
    "from_msgpack",
    "from_msgpacks",
    "from_query",
    "json_encoder",
    "msgpack_encoder",
    "negotiate",
    "to_json",
    "to_msgpack",
]

MAX_FIELDS: Final = 1000  # of a form or query


class Kind(Enum):
    """A content type that arguments or results can have."""

    MSGPACK = "application/x-msgpack"
    JSON = "application/json"
    FORM = "application/x-www-form-urlencoded"

    def __init__(self, mimetype: str) -> None:
        self.mimetype = mimetype  # as in Content-Type; an enum's own `value` is slow


Fields = dict[str, str | list[str]]

_KINDS: Final = {kind.mimetype: kind for kind in Kind} | {
    "application/msgpack": Kind.MSGPACK,
    "application/vnd.msgpack": Kind.MSGPACK,  # its registered name
    "text/json": Kind.JSON,
}


def kind_of(content_type: str) -> Kind | None:
    """The kind that a Content-Type names, without its parameters."""
    kind = _KINDS.get(content_type)
    if kind is None and content_type:
        kind = _KINDS.get(content_type.partition(";")[0].strip().lower())
    return kind


def negotiate(accept: str, content_type: str) -> Kind:
    """What the answer should be: as Accept prefers, else like the request, else JSON.

    Browsers accept anything, which means JSON unless they had sent msgpack.
    """
    wanted = _KINDS.get(accept)
    if wanted is None and accept and accept != "*/*":
        wanted = _preferred(accept)
    if wanted is None:
        wanted = kind_of(content_type)
    return Kind.MSGPACK if wanted is Kind.MSGPACK else Kind.JSON


def _preferred(accept: str) -> Kind | None:
    """The acceptable kind of the greatest weight; the first of equals (RFC 9110, 12.5.1)."""
    best: Kind | None = None
    best_weight = 0.0
    for part in accept.lower().split(","):
        name, *parameters = [word.strip() for word in part.split(";")]
        kind = _KINDS.get(name)
        if kind is None or kind is Kind.FORM:
            continue
        weight = _weight(parameters)
        if weight > best_weight:
            best, best_weight = kind, weight
    return best


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def decode_body(
    content_type: str, data: bytes, max_depth: int = 64, resolve: Resolve | None = None
) -> Any:
    """The value of a request's body; without a type it is read as JSON.

    `resolve` turns placeholders of descriptors into what they stand for.
    Raises BadRequest for another type, and for a body that is not of its type.
    """
    kind = kind_of(content_type) if content_type else Kind.JSON
    if kind is Kind.MSGPACK:
        return from_msgpack(data, max_depth, resolve)
    if kind is Kind.JSON:
        return from_json(data, max_depth, resolve)
    if kind is Kind.FORM:
        return from_form(data)
    raise BadRequest(
        f"cannot read a body of type {content_type!r}; send "
        + ", ".join(known.mimetype for known in Kind)
    )


def decoder_of(
    content_type: str, own: Mapping[Kind, object]
) -> Callable[[bytes, int, Resolve | None], Any] | None:
    """What reads bodies of this type, to a depth; None where there is more to it: forms, an `own` one."""
    kind = kind_of(content_type) if content_type else Kind.JSON
    if kind is None or kind is Kind.FORM or kind in own:
        return None
    return from_msgpack if kind is Kind.MSGPACK else from_json


def from_form(data: bytes) -> Fields:
    """The fields of a form; one that comes repeatedly is a list. Raises BadRequest."""
    try:
        return from_query(data.decode("ascii"))
    except UnicodeDecodeError:
        raise BadRequest("cannot read the form: it is not percent-encoded") from None


def from_query(query: str) -> Fields:
    """The fields of a query (after the "?"), like `from_form`."""
    from urllib.parse import parse_qsl

    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise BadRequest("cannot read the fields: they are not UTF-8") from None
    except ValueError:
        raise BadRequest(f"cannot read the fields: there are over {MAX_FIELDS}") from None
    fields: Fields = {}
    for name, text in pairs:
        known = fields.get(name)
        if known is None:
            fields[name] = text
        elif isinstance(known, list):
            known.append(text)
        else:
            fields[name] = [known, text]
    return fields
