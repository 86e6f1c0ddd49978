import pytest

from kettlingard.core.environment import parse_environment_file, worker_environment

OURS = {"PATH": "/bin", "LC_TIME": "C", "SECRET": "x", "HOME": "/root"}


def test_a_worker_gets_a_clean_base_and_nothing_else_of_ours():
    found = worker_environment(OURS, [], [], {}, {})
    assert found == {
        "PATH": "/bin", "LC_TIME": "C", "HOME": "/root",
        "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1",
    }  # fmt: skip


def test_without_a_path_of_ours_there_is_one():
    assert worker_environment({}, [], [], {}, {})["PATH"]


def test_later_sources_win_and_the_daemon_has_the_last_word():
    files = [{"A": "file", "B": "file"}, {"B": "file 2"}]
    found = worker_environment(
        OURS, ["SECRET", "MISSING"], files, {"B": "given", "C": "given"}, {"C": "own"}
    )
    assert (found["A"], found["B"], found["C"], found["SECRET"]) == ("file", "given", "own", "x")
    assert "MISSING" not in found


def test_environment_files_have_comments_and_quotes():
    text = "# c\n; d\n\nA=1\nexport B = 'x y'\nC=\"#no\"\nD=a=b\n"
    assert parse_environment_file(text) == {"A": "1", "B": "x y", "C": "#no", "D": "a=b"}


def test_a_line_that_sets_nothing_is_named_by_its_number():
    with pytest.raises(ValueError, match="line 2 is not NAME=value"):
        parse_environment_file("A=1\nrm -rf\n")
