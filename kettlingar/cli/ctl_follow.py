"""What is followed goes on when the supervisor becomes its next version, or is another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from kettlingar.errors import NotRunning, Unavailable

from .ctl_output import complain

SILENCE = 1e6  # seconds that it may say nothing: more than a socket can wait is an error
BACK = 30.0  # seconds until one that has gone is there again
PAUSE = 0.05
AWAY = (OSError, Unavailable)  # its connection has ended, nobody listens, or it is about to end
OURS = (PermissionError, TimeoutError)  # no sign that it has gone

Item = dict[str, Any]


def followed(ask: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """All that `ask` gives, asked again when that has ended: it knows what was there already.

    Raise NotRunning when nobody has come back; what the first answer raises is raised at once.
    """
    answered, until = False, 0.0
    while True:
        try:
            for item in ask():
                answered, until = True, 0.0
                yield item
            answered = True
        except AWAY as why:
            if not answered or isinstance(why, OURS):
                raise
            if not until:
                complain("kettlingard has gone; waiting for it to come back")
            until = until or time.monotonic() + BACK
            if time.monotonic() > until:
                raise NotRunning(str(why)) from why
        time.sleep(PAUSE)
