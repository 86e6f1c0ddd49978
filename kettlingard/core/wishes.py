"""What commands make of what is wanted. `places`: only these instances."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from .state import ServiceState, Wanted

NOBODY: frozenset[int] = frozenset()


def started(wanted: Wanted, instances: int, places: Collection[int] = NOBODY) -> Wanted:
    """All instances, or some that were stopped one by one."""
    held_back = wanted.held_back - set(places) if places else NOBODY
    return replace(wanted, instances=instances, held_back=held_back)


def redefined(wanted: Wanted, instances: int) -> Wanted:
    """Another definition counts: what runs has its number of instances, what rests goes on resting."""
    return replace(wanted, instances=instances) if wanted.instances else wanted


def stopped(
    wanted: Wanted,
    reason: str,
    places: Collection[int] = NOBODY,
    *,
    drain: bool = True,
    within: float = float("inf"),
) -> Wanted:
    """None, or all but some. Without `drain` what is in flight is cut.

    Of a service that rests nobody asks which instances were stopped before it.
    """
    wanted = replace(wanted, reason=reason, drain=drain, within=within)
    if places:
        return replace(wanted, held_back=wanted.held_back | set(places))
    return replace(wanted, instances=0)


def renewed(state: ServiceState, places: Collection[int]) -> Wanted:
    """New runs of these instances, instead of all that they have now."""
    wanted = state.wanted
    newest = {
        place: max((member.number for member in state.at_place(place)), default=0)
        for place in places
    }
    return replace(
        wanted, renew={**wanted.renew, **newest}, held_back=wanted.held_back - set(places)
    )
