"""What a command waits for: is it there, can it still come?"""

from __future__ import annotations

from enum import Enum

from .place import Place, Standing
from .reconcile import has_gone_on, is_fit, settled, wanted_places
from .state import ServiceState
from .words import Word

PATIENCE = 3  # ends in a row before it was ready, after which nobody waits for the next try


class Outlook(Enum):
    """How far a command has got with one service."""

    DONE = "done"
    GOING = "going"
    HOPELESS = "hopeless"


def until_ready(state: ServiceState, word: Word, now: float) -> Outlook:
    """All instances serve, and those that they replace are gone."""
    if word is Word.HELD:
        return Outlook.DONE  # it is there for whoever comes
    if word is Word.READY:
        replaced = state.fallback is not None or not all(
            is_fit(state, member) for member in state.members.values()
        )
        return Outlook.GOING if replaced and not settled(state, now) else Outlook.DONE
    if word in {Word.FAILED, Word.INVALID, Word.UPDATE_PAUSED, Word.INACTIVE, Word.DISABLED}:
        return Outlook.HOPELESS
    waits = state.policies.update.goes_on and state.fallback is not None and not has_gone_on(state)
    return Outlook.HOPELESS if _is_looping(state) and not waits else Outlook.GOING


def until_stopped(state: ServiceState, word: Word, now: float) -> Outlook:
    """Nothing of it is left."""
    unwanted = set(wanted_places(state))
    left = [member for member in state.members.values() if member.place not in unwanted]
    return Outlook.GOING if left else Outlook.DONE


def _is_looping(state: ServiceState) -> bool:
    return any(_never_gets_ready(state.place(number)) for number in wanted_places(state))


def _never_gets_ready(place: Place) -> bool:
    if place.standing is Standing.FAILED:
        return True
    end = place.last_end
    return place.attempt >= PATIENCE and end is not None and not end.was_ready
