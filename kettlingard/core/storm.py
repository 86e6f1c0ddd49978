"""When so many services wait to be tried again that the host must be at fault, not they."""

from __future__ import annotations

from collections.abc import Iterable

from .place import Standing
from .state import ServiceState

FEW = 4  # services; fewer than that in backoff say nothing about the host


def is_storm(states: Iterable[ServiceState]) -> bool:
    """More than half of the services that are wanted are in backoff."""
    wanted = [state for state in states if state.wanted.instances]
    waiting = sum(_is_in_backoff(state) for state in wanted)
    return waiting >= FEW and 2 * waiting > len(wanted)


def _is_in_backoff(state: ServiceState) -> bool:
    return any(place.standing is Standing.BACKOFF for place in state.places.values())
