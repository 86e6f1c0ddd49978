import os

import pytest

from kettlingard.host import processors


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setattr(processors, "own_groups", lambda: [tmp_path / "unit", tmp_path])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    (tmp_path / "unit").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("place", "name", "text", "number"),
    [
        ("unit", "cpu.max", "150000 100000\n", 2),
        (".", "cpu.max", "20000 100000\n", 1),
        ("unit", "cpu.max", "max 100000\n", 8),
    ],
)
def test_the_quota_of_any_group_above_us_counts(groups, place, name, text, number):
    (groups / place / name).write_text(text)
    assert processors.processors() == number


def test_the_older_kind_of_quota_counts_too(groups):
    (groups / "cpu.cfs_period_us").write_text("100000\n")
    (groups / "cpu.cfs_quota_us").write_text("300000\n")
    assert processors.processors() == 3
    (groups / "cpu.cfs_quota_us").write_text("-1\n")
    assert processors.processors() == 8


def test_here_it_is_a_number():
    assert 1 <= processors.processors() <= len(os.sched_getaffinity(0))
