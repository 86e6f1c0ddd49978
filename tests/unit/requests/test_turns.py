"""Work that never waits takes turns, as many in each as it has time for."""

from __future__ import annotations

import asyncio

from kettlingar.requests.turns import LONG, MOST, Turns, turns


def turns_of_the_loop(pieces_cost: float, workers: int) -> list[int]:
    """How many pieces were done in each turn, by a clock on which each costs so many seconds."""
    now = 0.0
    done: list[int] = []

    async def main():
        nonlocal now
        mine = Turns(asyncio.get_running_loop(), lambda: now)
        ended = asyncio.Event()

        async def work():
            nonlocal now
            while not ended.is_set():
                now += pieces_cost
                done[-1] += 1
                await mine.next()

        async def count():
            for _ in range(100):
                done.append(0)
                await asyncio.sleep(0)
            ended.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(count())
            for _ in range(workers):
                group.create_task(work())

    asyncio.run(main())
    return done[10:]


def test_long_pieces_of_many_come_one_at_a_time():
    assert max(turns_of_the_loop(LONG * 2, 50)) == 1


def test_short_ones_share_a_turn_while_it_stays_short():
    many = turns_of_the_loop(LONG / 5, 50)
    assert 2 <= sum(many) / len(many) <= 6
    assert max(turns_of_the_loop(LONG / 1000, 50)) == MOST


def test_whoever_is_alone_goes_on_in_each_turn():
    assert set(turns_of_the_loop(LONG * 2, 1)) == {1}


def test_everybody_comes_to_their_turn_and_the_cancelled_take_none():
    order: list[int] = []

    async def work(mine, number):
        for _ in range(3):
            await mine.next()
            order.append(number)

    async def main():
        mine = turns()
        assert turns() is mine
        tasks = [asyncio.create_task(work(mine, number)) for number in range(40)]
        await asyncio.sleep(0)
        for task in tasks[10:20]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    left = [*range(10), *range(20, 40)]
    assert sorted(order) == sorted(left * 3)
