"""What `status` looks like on terminals of all widths."""

import pytest

from kettlingar.cli.ctl_output import draw
from kettlingar.cli.ctl_screen import drawn

NOTE = "/1 failed: the same twice: ModuleNotFoundError: No module named 'nowhere'; is it installed?"
SERVICES = [
    {"name": "blog", "state": "ready", "ready": 2, "wanted": 2, "generation": 7, "uptime": 40.0},
    {"name": "search", "state": "failed", "ready": 0, "wanted": 1, "generation": 3, "note": NOTE},
]


def test_a_note_stands_beside_its_row_where_there_is_room():
    lines = drawn(SERVICES, width=200)
    assert len(lines) == 3
    assert lines[2].endswith(NOTE)


def test_on_a_wide_terminal_it_is_wrapped_in_its_column():
    lines = drawn(SERVICES, width=130)
    assert len(lines) == 4
    column = lines[0].index("NOTE")
    assert lines[3][:column].isspace()
    assert all(len(line) <= 130 for line in lines)


@pytest.mark.parametrize("width", [80, 100])
def test_on_a_narrow_one_it_has_lines_of_its_own_and_no_word_is_cut(width):
    lines = drawn(SERVICES, width=width)
    assert all(len(line) <= width for line in lines)
    assert lines[1].startswith("blog     ready")
    assert "NOTE" not in lines[0]
    assert " ".join(line.strip() for line in lines[3:]) == NOTE


def test_short_notes_need_little_room():
    lines = drawn([{**SERVICES[0], "note": "on demand"}], width=100)
    assert lines[1].endswith("on demand")


def test_nothing_is_a_head_alone():
    assert drawn([], width=80)[0].startswith("SERVICE")


def test_a_watched_table_is_no_longer_than_the_screen(capsys):
    draw(SERVICES * 10, height=8)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert lines[-1].startswith("... and ")


def test_the_head_of_no_notes_is_not_cut_in_two():
    widest = max(map(len, drawn(SERVICES[:1], width=200)))
    for width in range(widest - len("NOTE") - 2, widest + 1):
        lines = drawn(SERVICES[:1], width=width)
        assert len(lines) == 2
        assert lines[0].startswith("SERVICE  STATE")


def test_states_have_their_colours_however_wide_it_is(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for width in (200, 130, 80):
        text = "\n".join(drawn(SERVICES, width=width))
        assert "\x1b[32mready\x1b[0m" in text
        assert "\x1b[1;31mfailed\x1b[0m" in text
