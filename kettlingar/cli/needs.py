"""What a method needs from a person: asked for on a terminal, and told in words elsewhere.

The same for a service's own command line and for `kettlingar ctl call`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from kettlingar.errors import NeedInfoException


def asked(need: NeedInfoException, name: str) -> dict[str, str]:
    """Return the arguments that a person gives for the method `name`.

    Raises the need itself where there is nobody to ask, or nothing is named.
    """
    if not need.needed_vars or not sys.stdin.isatty():
        raise need
    sys.stdout.flush()
    sys.stderr.write(f"{need.comment or f'{name} needs to know more'}\n")
    try:
        return {name: _answer(prompt, secret=secret) for name, prompt, secret in _each(need)}
    except EOFError:
        raise need from None


def sentence(need: NeedInfoException) -> str:
    """What is needed, and how it is given."""
    names = [name for name, _, _ in _each(need)]
    told = need.comment or "more is needed"
    return f"{told}: give {' '.join(f'--{name}=…' for name in names)}" if names else told


def _each(need: NeedInfoException) -> Iterator[tuple[str, str, bool]]:
    """Name, prompt, and whether it looks like a secret."""
    needed: Sequence[object] = need.needed_vars
    for each in needed:
        about = each if isinstance(each, dict) else {"name": each}
        name = str(about.get("name"))
        secret = about.get("secret", "pass" in name or "secret" in name)
        yield name, f"{about.get('comment') or name}: ", bool(secret)


def _answer(prompt: str, *, secret: bool) -> str:
    if secret:
        from getpass import getpass

        return getpass(prompt)
    sys.stderr.write(prompt)  # `input` would write it among the results
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")
