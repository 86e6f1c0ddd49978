from kettlingard.core.watchdog import answered, begin, due, look


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
