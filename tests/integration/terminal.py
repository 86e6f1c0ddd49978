"""A terminal with a person at it, for programs that ask."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable


def answering(
    begin: Callable[..., subprocess.Popen[str]], *answers: tuple[str, bytes]
) -> tuple[int, str, str]:
    """Begin a program at a terminal, type when it asks; return its exit code, what it asked and said.

    Of `answers` each has the prompt that is waited for, and what is typed then.
    `begin(stdin=…, start_new_session=…)` has pipes for its standard output and error.
    """
    ours, theirs = pty.openpty()
    with (
        open(ours, "wb", buffering=0) as keyboard,
        open(theirs, "rb") as terminal,
        begin(stdin=terminal, start_new_session=True) as process,
    ):
        try:
            asked = ""
            for prompt, typed in answers:
                while not asked.endswith(prompt):  # what is typed before it is discarded
                    assert process.stderr is not None
                    part = os.read(process.stderr.fileno(), 1000).decode()
                    assert part, asked
                    asked += part
                keyboard.write(typed)
            out, rest = process.communicate(timeout=10)
        finally:
            process.kill()
    return process.returncode, asked + rest, out
