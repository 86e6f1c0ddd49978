"""Range and If-None-Match, as RFC 9110 has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kettlingar.webkitten.ranges import has_tag, part_of


@pytest.mark.parametrize(
    ("header", "start", "stop", "status"),
    [
        ("", 0, 10, 200),
        ("bytes=0-3", 0, 4, 206),
        ("bytes=4-", 4, 10, 206),
        ("bytes=4-99", 4, 10, 206),
        ("bytes=-3", 7, 10, 206),
        ("bytes=-99", 0, 10, 206),
        ("Bytes = 9-9 ", 9, 10, 206),
        ("bytes=10-", 0, 0, 416),
        ("bytes=-0", 0, 0, 416),
        ("bytes=5-2", 0, 10, 200),
        ("bytes=0-1,3-4", 0, 10, 200),
        ("bytes=-", 0, 10, 200),
        ("bytes=a-b", 0, 10, 200),
        ("bytes=" + "9" * 40 + "-", 0, 10, 200),
        ("lines=0-3", 0, 10, 200),
    ],
)
def test_a_range_is_one_part_or_the_whole_file(header, start, stop, status):
    part = part_of(10, header)
    assert (part.start, part.stop, part.status) == (start, stop, status)


def test_a_part_says_which_it_is():
    assert part_of(10, "bytes=2-3").headers == {"Content-Range": "bytes 2-3/10"}
    assert part_of(10, "bytes=20-").headers == {"Content-Range": "bytes */10"}
    assert part_of(10).headers == {}


def test_an_empty_file_has_no_part():
    assert part_of(0, "bytes=0-").status == 416
    assert part_of(0).length == 0


@pytest.mark.parametrize("header", ['"a"', 'W/"a"', '"x", "a"', '"x",W/"a"', "*", ' "a" '])
def test_a_tag_is_found_in_a_list(header):
    assert has_tag(header, '"a"')


@pytest.mark.parametrize("header", ["", "a", '"b"', '"a', '"x" "a"', '"xa"', ","])
def test_and_not_in_what_is_none(header):
    assert not has_tag(header, '"a"')


@given(st.text(), st.integers(0, 1000))
def test_any_header_gives_bytes_that_are_there(header, size):
    part = part_of(size, "bytes=" + header)
    assert 0 <= part.start <= part.stop <= size
    has_tag(header, '"a"')
