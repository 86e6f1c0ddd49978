from __future__ import annotations

import pytest

from kettlingar.transport.timeouts import AT_ONCE, Deadlines


class Timer:
    def __init__(self, when, callback):
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self):
        self.cancelled = True


class Loop:
    """A loop whose time passes only when the test says so."""

    def __init__(self):
        self.now, self.timers, self.armed = 100.0, [], 0

    def time(self):
        return self.now

    def call_at(self, when, callback):
        self.armed += 1
        timer = Timer(when, callback)
        self.timers.append(timer)
        return timer

    def advance(self, seconds):
        self.now += seconds
        due = [t for t in self.timers if t.when <= self.now]
        self.timers = [t for t in self.timers if t.when > self.now]
        for timer in due:
            if not timer.cancelled:
                timer.callback()


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def expired():
    return []


@pytest.fixture
def deadlines(loop, expired):
    return Deadlines(loop, 10, expired.append)


def test_a_thing_expires_once_when_its_time_has_passed(loop, deadlines, expired):
    deadlines.add("a")
    loop.advance(9.9)
    assert expired == []
    loop.advance(0.1)
    loop.advance(100)
    assert expired == ["a"]


def test_touching_starts_the_time_again(loop, deadlines, expired):
    deadlines.add("a")
    loop.advance(9)
    deadlines.touch("a")
    loop.advance(9)
    assert expired == []
    loop.advance(1)
    assert expired == ["a"]


def test_touching_a_thing_that_is_not_waiting_adds_nothing(loop, deadlines, expired):
    deadlines.touch("a")
    loop.advance(100)
    assert (len(deadlines), expired) == (0, [])


def test_a_discarded_thing_never_expires(loop, deadlines, expired):
    deadlines.add("a")
    deadlines.add("b")
    deadlines.discard("a")
    deadlines.discard("never there")
    loop.advance(20)
    assert expired == ["b"]


def test_ten_thousand_things_need_one_timer(loop, deadlines, expired):
    for number in range(10_000):
        deadlines.add(number)
        loop.now += 0.0001
    assert len(loop.timers) == 1
    loop.advance(20)
    while len(deadlines):
        loop.advance(0)
        assert len(loop.timers) <= 1
    assert expired == list(range(10_000))


def test_a_busy_thing_that_comes_and_goes_does_not_arm_a_timer_each_time(loop, deadlines):
    for _ in range(1000):
        deadlines.add("a")
        deadlines.discard("a")
    assert loop.armed == 1


def test_no_timer_is_left_when_nothing_waits(loop, deadlines):
    deadlines.add("a")
    deadlines.discard("a")
    loop.advance(10)
    assert loop.timers == []


def test_a_thing_may_be_added_again_while_it_expires(loop):
    seen = []

    def again(thing):
        seen.append(thing)
        deadlines.add(thing)

    deadlines = Deadlines(loop, 10, again)
    deadlines.add("a")
    for _ in range(3):
        loop.advance(10)
    assert seen == ["a", "a", "a"]


def test_expiring_one_may_discard_another_that_is_due(loop):
    seen = []

    def forget(thing):
        seen.append(thing)
        deadlines.discard("b")

    deadlines = Deadlines(loop, 10, forget)
    deadlines.add("a")
    deadlines.add("b")
    loop.advance(10)
    assert seen == ["a"]


def test_one_that_raises_does_not_keep_the_others_waiting_for_ever(loop):
    seen = []

    def sometimes(thing):
        if thing == "a":
            raise RuntimeError(thing)
        seen.append(thing)

    deadlines = Deadlines(loop, 10, sometimes)
    deadlines.add("a")
    deadlines.add("b")
    with pytest.raises(RuntimeError):
        loop.advance(10)
    loop.advance(0)
    assert seen == ["b"]


def test_a_timer_that_fires_a_little_early_is_on_time(loop, deadlines, expired):
    deadlines.add("a")
    loop.now += 9.9995  # uvloop counts in milliseconds
    loop.timers.pop().callback()
    assert expired == ["a"]


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_duration_of_zero_means_never(loop, expired, seconds):
    deadlines = Deadlines(loop, seconds, expired.append)
    deadlines.add("a")
    loop.advance(1e9)
    assert (loop.armed, expired) == (0, [])


def test_after_close_nobody_is_called(loop, deadlines, expired):
    deadlines.add("a")
    deadlines.close()
    loop.advance(100)
    assert (len(deadlines), expired) == (0, [])


def test_of_many_that_expire_at_once_a_few_go_in_each_turn_and_all_in_the_end(
    loop, deadlines, expired
):
    for number in range(3 * AT_ONCE + 1):
        deadlines.add(number)
    turns = []
    loop.advance(10)
    while len(deadlines):
        turns.append(len(expired))
        loop.advance(0)
    assert turns == [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE]
    assert expired == list(range(3 * AT_ONCE + 1))
