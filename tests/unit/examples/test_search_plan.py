from examples.search.plan import Plan, Stamp, compare, in_batches, split_title

OLD, NEW = Stamp(1, 10), Stamp(2, 10)


def test_only_what_changed_is_read_again():
    plan = compare(
        known={"same": OLD, "touched": OLD, "gone": OLD},
        found={"same": OLD, "touched": NEW, "new": NEW},
    )
    assert plan == Plan(remove=("gone",), add=("new",), change=("touched",), unchanged=1)
    assert plan.read == ("new", "touched")


def test_a_file_that_grew_within_one_tick_of_the_clock_is_read_again():
    assert compare({"a": Stamp(1, 10)}, {"a": Stamp(1, 11)}).change == ("a",)


def test_an_empty_folder_empties_the_index():
    assert compare({"a": OLD, "b": OLD}, {}) == Plan(remove=("a", "b"))


def test_batches_hold_everything_once_and_in_order():
    assert [list(b) for b in in_batches("abcde", 2)] == [["a", "b"], ["c", "d"], ["e"]]
    assert list(in_batches("", 2)) == []


def test_the_title_is_the_first_line_that_says_something():
    assert split_title("x/a.md", "\n# The cat\ntext\nmore") == ("The cat", "text\nmore")
    assert split_title("x/a.txt", "\n---\n\n") == ("a.txt", "\n---\n\n")
    assert len(split_title("a", "w" * 500)[0]) == 120
