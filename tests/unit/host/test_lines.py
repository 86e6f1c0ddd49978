import json

from kettlingard.host.fifo import MAX_LINE, Lines


def test_lines_are_whole_however_they_come():
    lines = Lines(0, 0.0, None)
    assert lines.take(b"a\nb", 0) == b"a\n"
    assert lines.take(b"c\nd", 0) == b"bc\n"
    assert lines.rest() == b"d\n"
    assert lines.rest() == b""


def test_a_line_without_an_end_is_written_in_parts():
    lines = Lines(0, 0.0, None)
    assert lines.take(b"x" * (MAX_LINE + 1), 0) == b"x" * (MAX_LINE + 1) + b"\n"


def test_more_than_the_limit_are_dropped_until_its_time_is_over():
    lines = Lines(2, 10.0, None)
    assert lines.take(b"1\n2\n3\n", 100.0) == b"1\n2\n"
    assert lines.take(b"4\n", 109.0) == b""
    assert lines.take(b"5\n", 110.0) == b"5\n"
    lines.limit(0, 0.0)
    assert lines.take(b"6\n7\n8\n", 110.0) == b"6\n7\n8\n"


def test_bytes_that_are_no_text_become_json_all_the_same():
    [line] = Lines(0, 0.0, {"service": "x"}).take(b"\xff\x1b[0m\n", 0).splitlines()
    assert json.loads(line)["message"] == "\\xff\x1b[0m"
