"""What any forked child does to itself, be it to execute a program or to go on as a worker.

kettlingard's child before exec and a zygote's child take these same steps, so that a
definition means the same, and fails in the same words, both ways.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from typing import Protocol

from kettlingar import prctl


class Order(Protocol):
    """How the process is to be."""

    @property
    def cwd(self) -> str:
        """Its directory."""

    @property
    def umask(self) -> int:
        """What its files' modes leave out."""

    @property
    def nice(self) -> int:
        """Added to the priority; 0: as it is."""

    @property
    def oom_score_adjust(self) -> int:
        """Who is killed first when memory runs out; 0: as it is."""

    @property
    def rlimits(self) -> Sequence[tuple[int, int, int]]:
        """resource.RLIMIT_..., soft, hard."""

    @property
    def no_new_privileges(self) -> bool:
        """Whether setuid programs give it nothing."""


def set_limits(order: Order) -> None:
    """Limit what it may use."""
    for which, soft, hard in order.rlimits:
        resource.setrlimit(which, (soft, hard))


def set_priority(order: Order) -> None:
    """Say how important it is, for the processor and for memory."""
    if order.nice:
        os.setpriority(os.PRIO_PROCESS, 0, order.nice)  # as systemd has it: not more, but this
    if order.oom_score_adjust:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(order.oom_score_adjust))


def enter_directory(order: Order) -> None:
    """Go where it belongs, with the rights that it has by now."""
    os.umask(order.umask)
    os.chdir(order.cwd)


def drop_privileges(order: Order) -> None:
    """Make sure that it gains no rights by executing a program."""
    if order.no_new_privileges:
        prctl.no_new_privileges()


def tell(report: int, step: str, number: int, subject: str) -> None:
    """Write into the report pipe what could not be done."""
    os.write(report, f"{step}\n{number}\n{subject}".encode(errors="replace")[:4096])
