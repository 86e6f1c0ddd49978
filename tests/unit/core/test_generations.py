from kettlingard.core.generations import KEPT, Generations


def test_a_rollback_goes_to_the_newest_one_that_has_served():
    assert Generations().proved(1).proved(2).before(3) == 2
    assert Generations().proved(1).proved(2).before(2) == 1


def test_there_is_nothing_before_the_first_one():
    assert Generations().proved(1).before(1) is None


def test_a_second_rollback_goes_further_back_and_not_forth():
    after = Generations().proved(1).proved(2).proved(3)
    back = after.returned_to(2).proved(4)  # the definition of 2, as generation 4
    assert back.before(4) == 1


def test_only_the_last_ones_are_kept():
    one = Generations()
    for number in range(1, 9):
        one = one.proved(number).proved(number)
    assert one.good == (5, 6, 7, 8)
    assert len(one.good) == KEPT + 1
