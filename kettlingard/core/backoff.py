"""How long to wait before the next try: numbers in, seconds out."""

from __future__ import annotations

from msgspec import Struct

SPREAD = 0.2  # each delay is multiplied by 0.8 ... 1.2, so that a crowd spreads out


class RestartPolicy(Struct, frozen=True):
    """What `[service]` says about ends that nobody asked for."""

    restart: str = "always"  # on-failure, no
    delay: float = 0.25  # seconds
    max_delay: float = 30.0
    stable_after: float = 30.0
    burst: int = 8
    interval: float = 120.0
    retry_after: float = 300.0  # 0 = never
    good: tuple[int, ...] = (0,)  # exit codes; minus the number of a signal
    final: tuple[int, ...] = (78,)


def delay_before(
    attempt: int, policy: RestartPolicy, jitter: float, *, storm: bool = False
) -> float:
    """Seconds before restart number `attempt`, counted from 0: the first one is at once.

    In a storm (most services of this host wait for their next try) even that one
    comes after the longest delay. `jitter` is a number of 0..1 that the caller draws.
    """
    if storm:
        plain = policy.max_delay
    elif attempt <= 0:
        return 0.0
    else:
        # the exponent has a limit so that a long crash loop ends at max_delay, not in inf
        plain = min(policy.max_delay, policy.delay * 2.0 ** min(attempt - 1, 60))
    return plain * (1 - SPREAD + 2 * SPREAD * jitter)


def recent(ends: tuple[float, ...], now: float, policy: RestartPolicy) -> tuple[float, ...]:
    """Those of `ends` that still count against the start limit."""
    return tuple(at for at in ends if now - at < policy.interval)
