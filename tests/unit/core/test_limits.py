import pytest

from kettlingard.core.amounts import QUOTA
from kettlingard.core.limits import changed, contents, controllers, given
from kettlingard.core.spec import ResourceKeys


def test_what_a_definition_does_not_limit_needs_no_controller():
    assert given(ResourceKeys(limit_nofile=10)) == []


def test_each_limit_has_its_file_and_its_controller():
    keys = ResourceKeys(memory_high=5 << 20, memory_max=8 << 20, cpu_quota="150%", tasks_max=64)
    assert controllers(given(keys)) == {"memory", "cpu", "pids"}
    assert contents(keys, given(keys)) == {
        "memory.high": "5242880",
        "memory.max": "8388608",
        "cpu.max": "150000 100000",
        "pids.max": "64",
    }


def test_a_limit_that_is_taken_away_is_no_limit():
    before, after = ResourceKeys(tasks_max=64, memory_max=1), ResourceKeys(memory_max=1)
    assert contents(after, changed(before, after)) == {"pids.max": "max"}


@pytest.mark.parametrize("value", ["150", "0%", "-5%", 1.5, "% 5"])
def test_a_quota_is_a_percentage(value):
    with pytest.raises(ValueError, match="share of a processor"):
        QUOTA.read(value)
