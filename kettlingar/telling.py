"""What a service says of itself to its supervisor while it works; without one nobody hears it.

Both may be called from the first line of the service's module on, in the thread of its event loop.
"""

from __future__ import annotations

from kettlingar.transport import messages

from .calls.asking import own_asker


def still_starting(seconds: float) -> None:
    """Ask for so many more seconds, from now, to become ready: ten times `timeout_start` in all."""
    _tell(messages.Extend(seconds=seconds))


def status(text: str) -> None:
    """Say in one line, for people, what the service is doing: `ctl status SERVICE` shows it."""
    _tell(messages.Status(text=text))


def _tell(message: messages.Extend | messages.Status) -> None:
    asker = own_asker()
    if asker is not None:
        asker.tell(message)
