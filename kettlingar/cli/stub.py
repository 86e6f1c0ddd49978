"""`kettlingar stub module:Class`: a typed stub of the service's client, to standard output."""

from __future__ import annotations

import os
import sys

from kettlingar.api.stub import stub

USAGE, NOT_THERE = 2, 1


def main(args: list[str]) -> int:
    """Print the stub; return the exit code."""
    from kettlingar.worker.loading import load

    if len(args) != 1 or ":" not in args[0]:
        sys.stderr.write("Usage: kettlingar stub module:Class > client.pyi\n")
        return USAGE
    sys.path.insert(0, os.getcwd())
    try:
        kitten_class = load(args[0])
    except (ImportError, TypeError) as problem:
        sys.stderr.write(f"kettlingar: {problem}\n")
        return NOT_THERE
    sys.stdout.write(stub(args[0], kitten_class.methods))
    return 0
