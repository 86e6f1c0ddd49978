"""The watchdog's questions, by a clock that the test turns."""

import pytest

from kettlingard.core.vocabulary import WatchdogAnswered, WatchdogMissed
from kettlingard.worker.pulse import Pulse, Rhythms

INTERVAL, TIMEOUT = 10, 4


class Timer:
    def __init__(self, when, callback):
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self):
        self.cancelled = True


class Loop:
    """A loop whose time passes only when the test says so."""

    def __init__(self):
        self.now, self.timers = 0.0, []

    def time(self):
        return self.now

    def call_at(self, when, callback):
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    def call_later(self, seconds, callback):
        return self.call_at(self.now + seconds, callback)

    @property
    def armed(self):
        return [timer for timer in self.timers if not timer.cancelled]

    def until(self, now):
        while due := [timer for timer in self.armed if timer.when <= now]:
            first = min(due, key=lambda timer: timer.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when)
            first.callback()
        self.now = now


class Worker:
    """Reads what it is sent while its loop turns, and answers if asked to."""

    def __init__(self, loop, rhythm, *, trusted=True):
        self.loop, self.hangs, self.heard, self.told = loop, False, [], []
        self.waiting = []
        self.pulse = Pulse(
            rhythm, self.ask, lambda: self.ask(0), lambda: bool(self.waiting), self.told.append
        )
        self.pulse.begin(trusted=trusted)

    def ask(self, number):
        self.heard.append((self.loop.now, number))
        self.waiting.append(number)
        if not self.hangs:
            self.read()

    def read(self):
        numbers, self.waiting = self.waiting, []
        for number in filter(None, numbers):
            self.pulse.answered(number)

    def wake(self):
        self.hangs = False
        self.read()

    @property
    def news(self):
        return [(type(event), event.at) for event in self.told]


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def rhythm(loop):
    return Rhythms(loop).of(INTERVAL, TIMEOUT)


def about(seconds):
    return pytest.approx(seconds, abs=0.01)


def test_who_reads_what_it_is_sent_need_not_answer_and_is_no_news(loop, rhythm):
    worker = Worker(loop, rhythm)
    loop.until(35)
    assert worker.heard == [(10, 0), (20, 0), (30, 0)]
    assert worker.told == []


def test_all_workers_of_an_interval_are_asked_at_the_same_time_by_one_timer(loop, rhythm):
    workers = []
    for at in (1, 3, 8):
        loop.until(at)
        workers.append(Worker(loop, rhythm))
    assert len(loop.armed) == 1
    loop.until(10)
    assert [one.heard for one in workers] == [[(10, 0)]] * 3
    assert len(loop.armed) == 1


def test_a_loop_that_hangs_is_missed_when_its_time_is_over_and_at_each_question_after(loop, rhythm):
    worker = Worker(loop, rhythm)
    loop.until(11)
    worker.hangs = True
    loop.until(36)
    assert worker.heard == [(10, 0), (20, 0), (22, 1), (30, 2)]
    assert worker.news == [(WatchdogMissed, about(24)), (WatchdogMissed, about(34))]


def test_one_that_hung_is_trusted_again_from_its_answer_on(loop, rhythm):
    worker = Worker(loop, rhythm)
    worker.hangs = True
    loop.until(19)
    worker.wake()
    assert worker.news == [(WatchdogMissed, about(14)), (WatchdogAnswered, 19)]
    worker.heard.clear()
    loop.until(35)
    assert worker.heard == [(20, 0), (30, 0)]
    assert len(worker.told) == 2


def test_an_answer_in_the_second_half_of_the_time_is_in_time_and_no_news(loop, rhythm):
    worker = Worker(loop, rhythm)
    worker.hangs = True
    loop.until(13)
    worker.wake()
    loop.until(25)
    assert worker.heard == [(10, 0), (12, 1), (20, 0)]
    assert worker.told == []


def test_one_that_hangs_disturbs_no_other(loop, rhythm):
    well, ill = Worker(loop, rhythm), Worker(loop, rhythm)
    ill.hangs = True
    loop.until(35)
    assert well.heard == [(10, 0), (20, 0), (30, 0)]
    assert well.told == []
    assert len(ill.told) == 3


def test_who_may_have_been_missed_by_the_supervisor_before_is_asked_for_an_answer_first(
    loop, rhythm
):
    worker = Worker(loop, rhythm, trusted=False)
    loop.until(25)
    assert worker.heard == [(10, 1), (20, 0)]
    assert worker.news == [(WatchdogAnswered, 10)]


@pytest.mark.parametrize("at", [5, 11, 13, 15])
def test_nobody_is_asked_after_the_end_and_no_timer_is_left(loop, rhythm, at):
    worker = Worker(loop, rhythm)
    worker.hangs = True
    loop.until(at)
    worker.pulse.stop()
    asked = list(worker.heard)
    loop.until(60)
    assert worker.heard == asked
    assert loop.armed == []


def test_who_is_ended_at_a_miss_is_asked_no_more(loop, rhythm):
    worker = Worker(loop, rhythm)
    worker.pulse.stop()
    worker.hangs = True

    def ended(event):
        worker.told.append(event)
        worker.pulse.stop()

    worker.pulse = Pulse(rhythm, worker.ask, lambda: None, lambda: True, ended)
    worker.pulse.begin(trusted=False)
    loop.until(60)
    assert worker.heard[-1] == (10, 1)
    assert len(worker.told) == 1


def test_a_timeout_longer_than_the_interval_ends_with_the_interval(loop):
    worker = Worker(loop, Rhythms(loop).of(10, 60))
    worker.hangs = True
    loop.until(31)
    assert worker.news == [(WatchdogMissed, about(20)), (WatchdogMissed, about(30))]
