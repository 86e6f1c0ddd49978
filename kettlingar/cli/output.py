"""How results are printed: a choice that every command line here has."""

from __future__ import annotations

from enum import Enum


class Output(Enum):
    """How results are to be printed."""

    PLAIN = "plain"  # as their _format says, text as it is, the rest as JSON
    JSON = "json"
    RAW = "raw"  # nothing added, not even a newline
