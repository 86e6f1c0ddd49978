"""Real files: old logs are compressed only when nobody can write to them, and never half."""

import gzip
import os

import pytest

from kettlingard.host import oldlogs
from kettlingard.host.logs import open_log


def never():
    return False


@pytest.fixture
def log(tmp_path):
    return tmp_path / "blog-1.log"


def old(log):
    return sorted(path for path in log.parent.iterdir() if path != log)


def tidied(log, **more):
    rules = {"keep": 10, "max_age": 0, "squeeze": True, "stopped": never} | more
    return oldlogs.tidy(log, **rules)


def test_who_has_a_log_open_goes_on_writing_to_it_when_it_is_put_aside(log):
    fd = open_log(log)
    os.write(fd, b"one\n")
    aside = oldlogs.put_aside(log)
    os.write(fd, b"two\n")
    assert aside.read_text() == "one\ntwo\n"
    assert oldlogs.is_written(aside)
    assert not tidied(log), "nothing may be compressed that is still written to"
    assert old(log) == [aside]
    os.close(fd)
    assert tidied(log)
    [squeezed] = old(log)
    assert squeezed.name == aside.name + ".gz"
    assert gzip.decompress(squeezed.read_bytes()) == b"one\ntwo\n"
    assert squeezed.stat().st_mode & 0o777 == 0o640


def test_a_compression_that_is_broken_off_leaves_the_log_as_it_was(log):
    log.write_bytes(os.urandom(oldlogs.BLOCK * 4))
    aside = oldlogs.put_aside(log)
    stops = iter([False, False, True, True])
    assert not oldlogs.compress(aside, lambda: next(stops))
    assert old(log) == [aside]


def test_what_a_killed_supervisor_left_half_compressed_is_removed(log):
    part = log.with_name("blog-1.log.20231114T221320.250000Z.gz.part")
    part.write_bytes(b"x")
    oldlogs.forget_unfinished(log.parent)
    assert not part.exists()


def test_only_so_many_are_kept(log):
    for number in range(5):
        log.write_text(f"{number}\n")
        oldlogs.put_aside(log)
    assert tidied(log, keep=2)
    assert [gzip.decompress(path.read_bytes()) for path in old(log)] == [b"3\n", b"4\n"]


def test_old_logs_stay_as_they_are_where_nothing_is_to_be_compressed(log):
    log.write_text("1\n")
    aside = oldlogs.put_aside(log)
    assert tidied(log, squeeze=False)
    assert old(log) == [aside]
