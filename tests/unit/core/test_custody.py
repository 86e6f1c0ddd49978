"""What becomes of a connection whose worker has died."""

from __future__ import annotations

from itertools import product

import pytest

from kettlingard.core.custody import FATES, Fate, Stage, Touch, fate, rescued, touched
from kettlingard.core.marks import Whose

ESTABLISHED, FIN_WAIT2, CLOSED, CLOSE_WAIT = 1, 5, 7, 8


def numbers(**more: int) -> dict[str, int]:
    return {"state": ESTABLISHED, "received": 0, "unread": 0, "sent": 0, "unsent": 0, **more}


@pytest.mark.parametrize(("stage", "touch"), list(product(Stage, Touch)))
def test_every_cell_is_decided(stage, touch):
    assert FATES[stage][touch] in Fate


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (numbers(), Touch.UNTOUCHED),
        (numbers(received=80, unread=80), Touch.UNTOUCHED),
        (numbers(received=80, unread=79), Touch.READ),
        (numbers(received=80), Touch.READ),
        # The client's FIN counts as a byte that nobody can read.
        (numbers(state=CLOSE_WAIT, received=81, unread=80), Touch.UNTOUCHED),
        (numbers(state=CLOSE_WAIT, received=1), Touch.UNTOUCHED),
        (numbers(state=CLOSE_WAIT, received=81), Touch.READ),
        (numbers(received=80, sent=1), Touch.ANSWERED),
        (numbers(received=80, unsent=1), Touch.ANSWERED),
        (numbers(state=FIN_WAIT2, received=80), Touch.ANSWERED),
        (numbers(state=CLOSED, received=80, unread=80), Touch.GONE),
    ],
)
def test_the_kernels_counters_say_what_was_done(seen, expected):
    assert touched(**seen) is expected


def test_what_was_read_is_never_given_to_another():
    assert Fate.AGAIN not in {fate(stage, Touch.READ) for stage in Stage}
    assert Fate.AGAIN not in {fate(stage, Touch.ANSWERED) for stage in Stage}


def test_what_was_untouched_is_given_to_another_whatever_the_worker_said():
    for stage in (Stage.HELD, Stage.SENT, Stage.TAKEN):
        assert fate(stage, Touch.UNTOUCHED) is Fate.AGAIN


def test_where_the_kernel_says_nothing_the_workers_word_counts():
    assert fate(Stage.SENT, Touch.UNKNOWN) is Fate.AGAIN
    assert fate(Stage.TAKEN, Touch.UNKNOWN) is Fate.CUT


def test_an_answer_that_has_begun_is_only_ended():
    assert {fate(Stage.ANSWERING, touch) for touch in Touch} == {Fate.CUT}


@pytest.mark.parametrize(
    ("whose", "touch", "known", "what"),
    [
        (Whose.OURS, Touch.UNTOUCHED, False, Fate.AGAIN),
        (Whose.OURS, Touch.ANSWERED, False, Fate.AGAIN),  # kept, between two requests
        (Whose.SENT, Touch.UNTOUCHED, False, Fate.AGAIN),  # its worker has died too
        (Whose.SENT, Touch.READ, False, Fate.SORRY),
        (Whose.SENT, Touch.UNTOUCHED, True, Fate.FORGET),  # its worker has it
        (Whose.SENT, Touch.READ, True, Fate.FORGET),
        (Whose.NOBODY_SAID, Touch.UNTOUCHED, False, Fate.AGAIN),  # accepted in the last moment
        (Whose.NOBODY_SAID, Touch.ANSWERED, False, Fate.FORGET),  # refused
        (Whose.NOBODY_SAID, Touch.GONE, False, Fate.FORGET),
    ],
)
def test_a_dead_supervisors_connection_goes_on_unless_somebody_may_have_it(
    whose, touch, known, what
):
    assert rescued(whose, touch, known=known) is what


def test_one_that_another_worker_answered_before_goes_by_its_workers_word_alone():
    assert fate(Stage.SENT, Touch.ANSWERED, answered=True) is Fate.AGAIN
    assert fate(Stage.TAKEN, Touch.ANSWERED, answered=True) is Fate.CUT
