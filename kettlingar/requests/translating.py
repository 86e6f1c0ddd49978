"""How one service's values become bytes and come back: by its author's own functions, else by ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kettlingar.request import no_descriptors
from kettlingar.wire.content import Kind, json_encoder, msgpack_encoder

OWN = ("to_json", "to_msgpack", "from_json", "from_msgpack")  # what an author may override

Encoders = Mapping[Kind, Callable[[Any], bytes]]
Decoders = Mapping[Kind, Callable[[bytes], Any]]


def encoders(own: Mapping[str, Callable[..., Any]]) -> Encoders:
    """What answers are made by: TypeError for an open file, which has no form there."""
    return {
        Kind.MSGPACK: _own_encoder(own, "to_msgpack") or msgpack_encoder(no_descriptors),
        Kind.JSON: _own_encoder(own, "to_json") or json_encoder(no_descriptors),
    }


def own_decoders(own: Mapping[str, Callable[..., Any]]) -> Decoders:
    """What reads bodies without files, where that is the author's."""
    named = {Kind.MSGPACK: own.get("from_msgpack"), Kind.JSON: own.get("from_json")}
    return {kind: decode for kind, decode in named.items() if decode is not None}


def _own_encoder(own: Mapping[str, Callable[..., Any]], name: str) -> Callable[[Any], bytes] | None:
    encode = own.get(name)
    return None if encode is None else partial(_as_bytes, encode)


def _as_bytes(encode: Callable[..., bytes | str], value: Any) -> bytes:
    data = encode(value, no_descriptors)
    return data.encode() if isinstance(data, str) else data
