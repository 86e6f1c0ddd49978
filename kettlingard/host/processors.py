"""How many processors this process may use: those that its control group pays for, not the machine's."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path

from .cgroup import own_groups


def processors() -> int:
    """At least one."""
    count = float(len(os.sched_getaffinity(0)))
    for group in own_groups():
        count = min(count, _of_v2(group), _of_v1(group))
    return max(1, ceil(count))


def _of_v2(group: Path) -> float:
    words = _read(group / "cpu.max").split()
    return (
        int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdecimal() else float("inf")
    )


def _of_v1(group: Path) -> float:
    quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else float("inf")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
