"""What this very process uses."""

from __future__ import annotations

import os
import resource

from kettlingard.host.clock import ago, moment, now
from kettlingard.host.procstat import pss, usage


def test_cpu_and_memory_are_those_that_the_kernel_counts_for_us():
    seen = usage(os.getpid())
    ours = resource.getrusage(resource.RUSAGE_SELF)
    assert seen is not None
    assert abs(seen.cpu - (ours.ru_utime + ours.ru_stime)) < 0.1
    assert 5_000_000 < seen.rss <= ours.ru_maxrss * 1024
    assert seen.threads >= 1


def test_the_proportional_memory_is_less_than_the_resident():
    seen = usage(os.getpid())
    part = pss(os.getpid())
    assert seen is not None
    assert part is not None
    assert 0 < part <= seen.rss * 1.1


def test_a_process_that_has_gone_uses_nothing():
    assert usage(2**22 + 1) is None
    assert pss(2**22 + 1) is None


def test_durations_come_from_the_monotonic_clock():
    then = moment()
    assert 0 <= ago(then) < 60
    assert now() >= then.monotonic
