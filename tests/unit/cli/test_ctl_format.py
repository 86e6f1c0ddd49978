import pytest

from kettlingar.cli.ctl_format import (
    duration,
    formatted,
    parse_duration,
    percent,
    printable,
    size,
    table,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30),
        ("0.5", 0.5),
        ("250ms", 0.25),
        ("1m30s", 90),
        ("1h 5m", 3900),
        ("1m30", 90),
        ("2d", 172800),
    ],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "soon", "1x", "-3", "1.s", "nan", "inf"])
def test_other_texts_are_no_durations(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0s"), (59.9, "59s"), (760, "12m40s"), (11520, "3h12m"), (180000, "2d")],
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0"),
        (900, "900"),
        (900 * 1024, "900K"),
        (61 << 20, "61M"),
        (1180 << 20, "1.2G"),
    ],
)
def test_sizes_are_short(count, text):
    assert size(count) == text


def test_shares_are_whole_percents():
    assert percent(2.4) == "2%"
    assert percent(None) == "-"


def test_columns_are_aligned_and_no_line_ends_in_blanks():
    rows = [["NAME", "N", "NOTE"], ["a", "10", ""], ["bcdef", "1", "x"]]
    assert table(rows, [False, True, False]) == ["NAME    N  NOTE", "a      10", "bcdef   1  x"]


def test_an_item_says_how_it_is_shown():
    assert formatted({"n": 3, "_format": "%(n)d cats"}) == "3 cats"


@pytest.mark.parametrize("pattern", [None, 5, "%(missing)s", "%(n)q", "%d"])
def test_a_format_that_does_not_work_is_none(pattern):
    assert formatted({"n": 3, "_format": pattern}) is None


def test_control_characters_never_reach_the_terminal():
    assert printable("a\x1b[31mb\r\tc") == "a\\x1b[31mb\\x0d\tc"
