from datetime import UTC, datetime

import pytest

from kettlingard.core.loglines import Filter, stamp_of

TEXT = [
    "2026-11-24 00:20:45,913 15784 I app begins",
    "2026-11-24 00:20:46,000 15784 E app cannot",
    "Traceback (most recent call last):",
    "ValueError: x",
    "2026-11-24 00:20:47,000 15784 W app hm",
]
JSON = '{"time": "2026-11-24T00:20:46.000Z", "level": "error", "message": "cannot"}'


def local(text):
    return datetime.fromisoformat(text).timestamp()


def test_a_traceback_goes_with_the_line_that_it_explains():
    assert list(Filter(level="error").of(TEXT)) == TEXT[1:4]
    assert list(Filter(level="warning").of(TEXT)) == TEXT[1:]


def test_lines_from_a_time_on():
    assert list(Filter(since=local("2026-11-24 00:20:46")).of(TEXT)) == TEXT[1:]
    assert list(Filter(since=local("2026-11-24 00:20:46.5"), level="error").of(TEXT)) == []


def test_who_asks_for_nothing_gets_everything():
    assert list(Filter().of(["no stamp", *TEXT])) == ["no stamp", *TEXT]
    assert list(Filter(level="debug").of(["no stamp"])) == ["no stamp"]


def test_json_says_the_same():
    stamp = stamp_of(JSON)
    assert stamp.at == datetime(2026, 11, 24, 0, 20, 46, tzinfo=UTC).timestamp()
    assert list(Filter(level="warning").of([JSON])) == [JSON]


@pytest.mark.parametrize("line", ["{", '{"time": 3}', "[]", "2026-99-99 00:00:00,000 1 I x", ""])
def test_what_has_no_stamp_has_none(line):
    assert stamp_of(line) is None


def test_a_level_that_is_none_is_told():
    with pytest.raises(ValueError, match="is not one of debug, info"):
        Filter(level="loud")
