"""How a run ended, as a value and as a sentence."""

from __future__ import annotations

from msgspec import Struct

from .values import SIGNAL_NAMES


class End(Struct, frozen=True):
    """The end of a run, with all that is known about it."""

    at: float  # monotonic seconds
    code: int | None  # None: a signal, or nobody can know
    signal: int | None
    requested: bool = False
    reason: str = ""  # why we ended it, or why it never was
    error: str = ""  # what it said itself
    where: str = ""  # "search/app.py:3"
    permanent: bool = False  # it said that trying again makes no sense
    step: str = ""  # where it failed, as it said: import, config, init
    was_ready: bool = False
    after: float = 0.0  # seconds from its start

    @property
    def status(self) -> int | None:
        """The exit code, or minus the signal's number."""
        return -self.signal if self.signal is not None else self.code

    @property
    def how(self) -> str:
        """`exit 1`, `SIGKILL`, or that nobody knows."""
        if self.signal is not None:
            return SIGNAL_NAMES.get(self.signal, f"signal {self.signal}")
        return "unknown exit status" if self.code is None else f"exit {self.code}"

    @property
    def cause(self) -> str:
        """The shortest true sentence about why."""
        return self.error or self.reason or self.how

    def __str__(self) -> str:
        when = "" if self.was_ready else " before it was ready"
        why = "; ".join(part for part in (self.reason, self.error, self.where) if part)
        return f"{self.how}{when}, {self.after:.2f} s after start" + (f": {why}" if why else "")
