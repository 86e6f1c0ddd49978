from kettlingard.core.watchdog import answered, begin, doubt, due, look, next_turn


def test_all_of_one_interval_have_the_same_turns():
    assert {next_turn(at, 10) for at in (100, 103, 109.9)} == {110}
    assert begin(103, 10).next_ask == 110


def test_one_that_is_doubted_has_what_is_left_of_its_time():
    dog = doubt(102, 10, 2)
    assert (dog.number, due(dog), dog.next_ask) == (1, 104, 110)
    assert look(dog, 104, 10, 4)[1:] == (True, False)
    assert answered(dog, 1)[1]


def test_a_question_is_asked_each_interval():
    dog = begin(0, 10)
    assert due(dog) == 10
    dog, missed, ask = look(dog, 10, 10, 5)
    assert (missed, ask, dog.number, due(dog)) == (False, True, 1, 15)


def test_an_answer_in_time_is_no_miss():
    dog, _, _ = look(begin(0, 10), 10, 10, 5)
    dog, mine = answered(dog, 1)
    assert (mine, due(dog)) == (True, 20)
    assert look(dog, 15, 10, 5)[1:] == (False, False)


def test_silence_counts_once_for_each_question():
    dog, _, _ = look(begin(0, 10), 10, 10, 5)
    dog, missed, ask = look(dog, 15, 10, 5)
    assert (missed, ask) == (True, False)
    dog, missed, ask = look(dog, 20, 10, 5)
    assert (missed, ask, dog.number) == (False, True, 2)


def test_a_late_answer_to_the_last_question_is_an_answer_an_older_one_is_not():
    dog, _, _ = look(begin(0, 10), 10, 10, 5)
    dog, _, _ = look(dog, 15, 10, 5)
    assert answered(dog, 1)[1]
    dog, _, _ = look(dog, 20, 10, 5)
    assert not answered(dog, 1)[1]


def test_a_timeout_longer_than_the_interval_ends_with_the_interval():
    dog, _, _ = look(begin(0, 10), 10, 10, 60)
    assert look(dog, 20, 10, 60)[1:] == (True, True)
