"""How many instances there are to be now, between `pool.min_instances` and `max_instances`,
and which runs have done enough.

The size follows the load: connections in flight, and who waits. It grows at
once; it shrinks when a smaller pool would have been enough for `idle_timeout`.
What ends because of it ends by the same comparison as everything else, so that
dispatch and stop are decided in one place and no connection falls between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from .state import Load, PoolPolicy, ServiceState, Wear, is_serving

BUSY = 8  # connections in flight that one instance is for, where there may be more instances
GOLDEN = 0.6180339887498949  # its multiples spread evenly: runs that began together end apart


class Bounds(Struct, frozen=True):
    """The fewest and the most instances."""

    least: int
    most: int


def bounds(state: ServiceState) -> Bounds:
    """What is allowed now. `wanted.instances` is the most: a scale moves it."""
    most = state.wanted.instances
    least = state.policies.pool.least
    return Bounds(most if least is None else min(least, most), most)


def resized(state: ServiceState, load: Load | None, now: float) -> ServiceState:
    """With the size that the load asks for, and since when a smaller one would do."""
    allowed = bounds(state)
    if allowed.least == allowed.most:
        return replace(state, size=None, calm_since=None)
    if load is None:
        return state
    size = state.size
    if size is None:
        start = state.policies.pool.start
        size = allowed.least and max(allowed.least, min(start, allowed.most))
    size = max(allowed.least, min(size, allowed.most))
    need = max(allowed.least, min(needed(load.connections), allowed.most))
    if need >= size:
        return replace(state, size=need, calm_since=None)
    since = max(now if state.calm_since is None else state.calm_since, load.busy_at)
    idle = state.policies.pool.idle_timeout
    if idle > 0 and now >= since + idle:
        size, since = max(need, min(size - 1, needed(load.peak))), now
    return replace(state, size=size, calm_since=since if size > need else None)


def needed(connections: int) -> int:
    """Instances for so many connections in flight."""
    return ceil(connections / BUSY)


def is_smaller_enough(size: int | None, connections: int) -> bool:
    """One instance less would do."""
    return size is not None and size > needed(connections)


def retired(state: ServiceState, wear: Mapping[int, Wear], now: float) -> ServiceState:
    """Runs that are too old, have served too much or have grown too big are to be renewed."""
    due = {
        member.place: member.number
        for member in state.members.values()
        if is_serving(member)
        and member.number > state.wanted.renew.get(member.place, 0)
        and (
            _is_worn(state.policies.pool, member.number, wear.get(member.number))
            or _is_old(state, member.number, now)
        )
    }
    if not due or state.paused:
        return state
    return replace(state, wanted=replace(state.wanted, renew={**state.wanted.renew, **due}))


def elastic_times(state: ServiceState) -> Iterator[float]:
    """When the size, or a run's age, is to be looked at again."""
    pool = state.policies.pool
    if state.calm_since is not None and pool.idle_timeout > 0:
        yield state.calm_since + pool.idle_timeout
    for member in state.members.values():
        since = member.run.ready_since
        if pool.recycle_age > 0 and is_serving(member) and since is not None:
            yield since + spread(pool.recycle_age, pool, member.number)


def spread(limit: float, pool: PoolPolicy, run: int) -> float:
    """The limit of this run: up to `recycle_jitter` less, so that not all are renewed at once."""
    return limit * (1 - pool.recycle_jitter * (run * GOLDEN % 1))


def _is_old(state: ServiceState, number: int, now: float) -> bool:
    pool = state.policies.pool
    since = state.members[number].run.ready_since
    return (
        pool.recycle_age > 0
        and since is not None
        and now >= since + spread(pool.recycle_age, pool, number)
    )


def _is_worn(pool: PoolPolicy, number: int, wear: Wear | None) -> bool:
    if wear is None:
        return False
    served = spread(pool.recycle_requests, pool, number)
    memory = spread(pool.recycle_memory, pool, number)
    return (0 < served <= wear.served) or (0 < memory <= wear.memory)
