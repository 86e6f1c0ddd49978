from kettlingard.core.balance import choose, least, round_robin


def test_the_least_busy_worker_is_chosen():
    assert least({1: 3, 2: 1, 3: 2}) == 2


def test_equally_busy_workers_take_turns():
    idle = {1: 0, 2: 0, 3: 0}
    assert [least(idle), least(idle, 1), least(idle, 2), least(idle, 3)] == [1, 2, 3, 1]


def test_round_robin_does_not_look_at_the_counts():
    busy = {4: 9, 7: 0}
    assert [round_robin(busy), round_robin(busy, 4), round_robin(busy, 7)] == [4, 7, 4]


def test_a_last_worker_that_has_gone_is_no_obstacle():
    assert least({5: 0, 9: 0}, 7) == 9
    assert least({5: 0, 9: 0}, 12) == 5


def test_without_workers_there_is_no_choice():
    assert choose("least", {}) is None
    assert choose("round-robin", {}) is None
