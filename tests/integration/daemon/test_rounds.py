"""Rounds of looks: in short turns, again after a change, and whatever one of them raises."""

import asyncio
import time

from kettlingard.services.rounds import TURN, Rounds


async def looked(look, names="abc", begin=1):
    """What happened, in order, until nothing was left to do."""
    loop, seen, done = asyncio.get_running_loop(), [], []
    loop.set_exception_handler(lambda _loop, context: seen.append(str(context["exception"])))
    rounds = Rounds(
        loop, lambda: names, lambda name: look(rounds, seen, name), lambda: done.append(1)
    )
    for _ in range(begin):
        rounds.begin()
    for _ in range(20):
        seen.append("-")
        await asyncio.sleep(0)
    return "".join(seen).strip("-"), len(done)


def test_a_change_is_followed_by_one_round_however_often_it_is_told(run_async):
    assert run_async(looked(lambda _, seen, name: seen.append(name), begin=3)) == ("abc", 1)


def test_a_change_in_the_middle_of_a_round_is_followed_by_another_one(run_async):
    def look(rounds, seen, name):
        if name == "b" and seen.count("b") == 0:
            rounds.begin()
        seen.append(name)

    assert run_async(looked(look)) == ("abc-abc", 2)


def test_others_have_their_turn_when_looks_take_long(run_async):
    def look(_rounds, seen, name):
        seen.append(name)
        time.sleep(TURN)

    assert run_async(looked(look)) == ("a-b-c", 1)


def test_a_look_that_raises_ends_no_round(run_async):
    def look(_rounds, seen, name):
        if name == "b":
            raise ValueError("oh")
        seen.append(name)

    assert run_async(looked(look)) == ("aoh-c", 1)
