"""What is known of one descriptor while it is a client's connection: a record of fixed size.

A supervisor writes it, and its custodian (host/custodian.py) reads it when the supervisor
has been killed: it says which connections nobody else has, and whose they are.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from hashlib import blake2b

from msgspec import Struct

RECORD = struct.Struct("=B7xQQ")  # whose, number, listener; a single byte says whose it is
SIZE = RECORD.size


class Whose(IntEnum):
    """Who has it, as far as that is known."""

    NOBODY_SAID = 0  # no connection; or one that was accepted in this very moment
    OURS = 1  # no worker has it
    SENT = 2  # on its way to a worker, which has not said that it has it
    THEIRS = 3  # a worker's, or refused: what we have is a copy, or of no use
    LISTENER = 4  # no connection: a listening socket of which no worker has a copy


class Mark(Struct, frozen=True):
    """A connection: its number at its service's ingress, and a key of its listener."""

    whose: Whose
    number: int = 0
    listener: int = 0


def unpacked(record: bytes) -> Mark:
    """Read a record."""
    whose, number, listener = RECORD.unpack(record)
    return Mark(Whose(whose), number, listener) if whose else Mark(Whose.NOBODY_SAID)


def key_of(service: str, stream: str) -> int:
    """A number for a listener that the next supervisor comes to as well."""
    return int.from_bytes(blake2b(f"{service}\n{stream}".encode(), digest_size=8).digest())
