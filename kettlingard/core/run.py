"""What is known of one run (one process), and how long its definition lets things take.

What becomes of it is lifecycle.py's table.
"""

from __future__ import annotations

from msgspec import Struct

from .end import End
from .vocabulary import Phase, Reported


class RunPolicy(Struct, frozen=True):
    """The durations of `[service]`, in seconds."""

    timeout_start: float = 30.0
    timeout_stop: float = 30.0
    drain_timeout: float = 20.0
    watchdog: float = 10.0
    watchdog_failures: int = 3
    watchdog_restarts: bool = True


class Run(Struct, frozen=True):
    """The state of one run."""

    phase: Phase
    started: float
    since: float  # when it came into its phase
    deadline: float | None = None  # when TimerFired is due
    promoted: bool = False
    ready_since: float | None = None  # first readiness; stays when unresponsive
    requested: bool = False  # its end was asked for
    reason: str = ""  # why it ends
    stop_by: float = float("inf")  # KILL comes at this time
    signalled: bool = False
    kills: int = 0
    misses: int = 0  # unanswered watchdog questions in a row
    report: Reported | None = None
    end: End | None = None  # when EXITED

    @property
    def dispatchable(self) -> bool:
        """It may be given connections."""
        return self.phase is Phase.READY and self.promoted

    @property
    def stuck(self) -> bool:
        """It was killed and is still there."""
        return self.phase is Phase.KILLING and self.kills > 1
