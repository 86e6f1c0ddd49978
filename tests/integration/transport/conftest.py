from __future__ import annotations

import os
import resource
from contextlib import contextmanager

import pytest


@pytest.fixture
def few_descriptors():
    """`with few_descriptors(room=3)`: this process may open three more and no others."""

    @contextmanager
    def limit(room):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir("/proc/self/fd")))
        fillers = []
        # Fill the gaps below, so that the room is exact.
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2 + room, hard))
        try:
            while True:
                try:
                    fillers.append(os.open("/dev/null", os.O_RDONLY))
                except OSError:
                    break
            for _ in range(room):
                os.close(fillers.pop())
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in fillers:
                os.close(fd)

    return limit
