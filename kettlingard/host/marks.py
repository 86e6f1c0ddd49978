"""The marks of all descriptors, in memory that the custodian sees too."""

from __future__ import annotations

import mmap
import resource

from kettlingard.core.marks import RECORD, SIZE, Mark, Whose, unpacked

MOST = 1 << 20  # descriptors; the kernel's own default limit
_NOBODY_SAID = int(Whose.NOBODY_SAID)


class Marks:
    """One record for each number that a descriptor can have; pages that nobody uses cost nothing."""

    def __init__(self) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._count = MOST if limit == resource.RLIM_INFINITY else min(limit, MOST)
        self._memory = mmap.mmap(-1, self._count * SIZE)  # MAP_SHARED

    def put(self, fd: int, whose: Whose, number: int, listener: int) -> None:
        """This descriptor is such a connection. Whoever closes it forgets it after that."""
        if fd < self._count:
            RECORD.pack_into(self._memory, fd * SIZE, whose, number, listener)

    def becomes(self, fd: int, whose: Whose) -> None:
        """The connection of which something has been `put` here is such a one now."""
        if fd < self._count:
            self._memory[fd * SIZE] = whose

    def forget(self, fd: int) -> None:
        """It is closed: whatever has the number next is something else."""
        if fd < self._count:
            self._memory[fd * SIZE] = _NOBODY_SAID

    def get(self, fd: int) -> Mark:
        """What was said of it last."""
        if fd >= self._count:
            return Mark(Whose.NOBODY_SAID)
        return unpacked(self._memory[fd * SIZE : (fd + 1) * SIZE])
