"""Real log files: tails with bounded memory, and following over rotation and truncation."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import aclosing

import pytest

from kettlingard.host import logs
from kettlingard.host.logs import Follower, follow, open_log, tail


@pytest.fixture
def log(tmp_path):
    return tmp_path / "blog-1.log"


def append(path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def test_a_log_is_opened_for_appending_with_its_mode(log):
    before = os.umask(0o022)
    first, second = open_log(log), open_log(log)
    os.umask(before)
    os.write(first, b"1\n")
    os.write(second, b"2\n")
    os.write(first, b"3\n")
    assert log.read_text() == "1\n2\n3\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    assert os.get_blocking(first)
    assert not os.get_inheritable(first)
    os.close(first)
    os.close(second)


def test_a_link_or_fifo_in_place_of_a_log_is_refused(log, tmp_path):
    log.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        open_log(log)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError):
        open_log(tmp_path / "fifo")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        ("", 10, []),
        ("a\nb\nc\n", 2, ["b", "c"]),
        ("a\nb\nc\n", 10, ["a", "b", "c"]),
        ("a\nb\nnot yet ended", 2, ["b", "not yet ended"]),
        ("a\n\n\n", 2, ["", ""]),
        ("a\n", 0, []),
    ],
)
def test_the_tail_is_the_last_lines(log, text, lines, expected):
    log.write_text(text)
    assert tail(log, lines) == expected


def test_a_tail_over_many_blocks_is_the_same_as_reading_all(log):
    text = [f"line {n} " + "x" * (n % 300) for n in range(5000)]
    log.write_text("\n".join(text) + "\n")
    for lines in (1, 10, 999, 5000, 9999):
        assert tail(log, lines) == text[-lines:]


def test_a_huge_line_is_cut_and_does_not_fill_the_memory(log):
    log.write_bytes(b"first\n" + b"x" * (logs.MAX_TAIL + 100) + b"\nlast\n")
    shown = tail(log, 10)
    assert shown[-1] == "last"
    assert all(len(line) <= logs.MAX_LINE + len(logs.CUT) for line in shown)


def test_what_a_terminal_would_obey_is_shown_as_text(log):
    log.write_bytes(b"\x1b[31mred\r\xff\ttab \xc3\xa4\n")
    assert tail(log, 1) == ["\\x1b[31mred\\r\\xff\ttab ä"]


def test_no_log_has_no_tail(log):
    assert tail(log, 10) == []


def test_following_begins_at_the_end_and_gives_whole_lines(log):
    append(log, "old\n")
    follower = Follower(log)
    assert follower.read() == []
    append(log, "new\nhal")
    assert follower.read() == ["new"]
    append(log, "f\n")
    assert follower.read() == ["half"]
    follower.close()


def test_following_goes_on_after_rotation_without_losing_a_line(log):
    append(log, "")
    follower = Follower(log)
    append(log, "1\n")
    with log.open("ab") as worker:  # still has the old file
        log.rename(log.with_suffix(".1"))
        worker.write(b"2\n")
    assert follower.read() == ["1", "2"]
    assert follower.read() == []
    append(log, "3\n")
    assert follower.read() == ["3"]
    follower.close()


def test_following_goes_on_after_truncation(log):
    append(log, "a long line\n")
    follower = Follower(log)
    log.write_text("new\n")
    assert follower.read() == ["new"]
    follower.close()


def test_a_log_that_comes_later_is_followed_from_its_beginning(log):
    follower = Follower(log)
    assert follower.read() == []
    append(log, "first\n")
    assert follower.read() == ["first"]
    follower.close()


def test_a_huge_line_is_followed_by_its_beginning_once(log):
    append(log, "")
    follower = Follower(log)
    append(log, b"x" * (3 * logs.MAX_LINE) + b"\nnext\n")
    lines = follower.read()
    assert [len(line) for line in lines] == [logs.MAX_LINE + len(logs.CUT), 4]
    follower.close()


def test_lines_of_several_logs_come_as_they_are_written(run_async, loop_kind, tmp_path):
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text("old\n")

    async def go() -> list[tuple[str, str]]:
        asyncio.get_running_loop().call_soon(append, one, "1\n")
        seen = []
        async with aclosing(follow(tmp_path, {one: Follower(one), two: Follower(two)})) as lines:
            async for path, _, line in lines:
                seen.append((path.name, line))
                if len(seen) == 1:
                    append(two, "2\n3\n")
                if len(seen) == 3:
                    one.rename(tmp_path / "one.log.1")
                    append(one, "4\n")
                if len(seen) == 4:
                    return seen
        return seen

    assert run_async(go()) == [
        ("one.log", "1"),
        ("two.log", "2"),
        ("two.log", "3"),
        ("one.log", "4"),
    ]
