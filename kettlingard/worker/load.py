"""How busy a process is: CPU seconds at two moments -> percent of one processor."""

from __future__ import annotations

SHORT = 0.5  # seconds; asked again within it, the answer is the same


class Load:
    """Remembers the last sample of one process."""

    def __init__(self, started: float) -> None:
        self._at, self._cpu, self._percent = started, 0.0, 0.0

    def percent(self, cpu: float, now: float) -> float:
        """Percent since the last time this was asked; `cpu` in seconds since its start."""
        if now - self._at >= SHORT:
            self._percent = 100 * max(0.0, cpu - self._cpu) / (now - self._at)
            self._at, self._cpu = now, cpu
        return self._percent
