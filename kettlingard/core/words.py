"""The words that people see for a service and its instances (SERVICES.md, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from .place import Place, Standing
from .reconcile import has_gone_on, is_fit, wanted_places
from .state import ServiceState, is_serving
from .vocabulary import COMING


class Word(Enum):
    """The state of a service."""

    INVALID = "invalid"
    INACTIVE = "inactive"
    DISABLED = "disabled"
    WAITING = "waiting"
    HELD = "held"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    UPDATING = "updating"
    UPDATE_PAUSED = "update-paused"
    STOPPING = "stopping"
    FAILED = "failed"


def service_word(
    state: ServiceState,
    *,
    enabled: bool = True,
    waits: Sequence[str] = (),
    unbound: str = "",
    invalid: bool = False,
) -> Word:
    """The state of a service in one word.

    `waits`: what must be ready before it; `unbound`: why its listeners are not
    open; `invalid`: its file has problems, which matters when no earlier version
    of it runs or is to run.
    """
    if invalid and not state.members and not state.wanted.instances:
        return Word.INVALID
    places = wanted_places(state)
    if state.wanted.instances and state.size == 0:
        return Word.HELD
    if not places:
        return Word.STOPPING if state.members else Word.INACTIVE if enabled else Word.DISABLED
    serving = {member.place for member in state.members.values() if is_serving(member)}
    if state.paused and serving:  # without them it is as ill as it would be without an update
        return Word.UPDATE_PAUSED
    if _is_updating(state) and not state.paused:
        return Word.DEGRADED if has_gone_on(state) else Word.UPDATING
    if serving >= set(places):
        return Word.READY
    if serving:
        return _partly(state, places)
    return _not_serving(state, places, waits, unbound)


def place_word(place: Place, *, wanted: bool) -> str:
    """The state of a place that has no run."""
    if place.standing is not Standing.CLEAR:
        return str(place.standing.value)
    return "waiting" if wanted else "exited"


def note(state: ServiceState, waits: Sequence[str] = (), unbound: str = "") -> str:
    """One line on why a service is not simply ready; "" when there is nothing to say."""
    if state.paused:
        return f"update paused: {state.paused}"
    if unbound:
        return unbound
    for number in wanted_places(state):
        place = state.place(number)
        if place.standing in {Standing.FAILED, Standing.BACKOFF}:
            return f"/{number} {place.standing.value}: {place.reason}"
    return f"waits for {', '.join(waits)} (ready)" if waits else ""


def _is_updating(state: ServiceState) -> bool:
    return state.fallback is not None or any(
        is_serving(member) and not is_fit(state, member) for member in state.members.values()
    )


def _partly(state: ServiceState, places: list[int]) -> Word:
    """Some serve: degraded, unless the others simply come up for the first time."""
    ill = any(state.place(number).ends for number in places)
    failed = any(state.place(number).standing is not Standing.CLEAR for number in places)
    return Word.DEGRADED if ill or failed else Word.STARTING


def _not_serving(
    state: ServiceState, places: list[int], waits: Sequence[str], unbound: str
) -> Word:
    coming = any(member.run.phase in COMING for member in state.members.values())
    standings = {state.place(number).standing for number in places}
    if unbound or (Standing.FAILED in standings and not coming):
        return Word.FAILED
    if standings == {Standing.ENDED}:
        return Word.INACTIVE
    return Word.WAITING if waits and not coming else Word.STARTING
