"""A file that grows by lines: what is in it, when it is written anew, and what goes wrong."""

import os

import pytest

from kettlingard.host.ledger import SMALL, Ledger


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "state.json")
    yield ledger
    ledger.close()


def test_lines_are_there_as_soon_as_they_are_added(ledger, tmp_path):
    assert ledger.is_full  # there is none yet
    ledger.renew(b"all")
    ledger.add(b"one")
    ledger.add(b"two")
    assert (tmp_path / "state.json").read_bytes() == b"all\none\ntwo\n"
    assert not ledger.is_full


def test_only_its_owner_may_read_it(ledger, tmp_path):
    ledger.renew(b"all")
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_it_is_to_be_written_anew_when_it_has_grown_by_as_much_as_there_was(ledger, tmp_path):
    ledger.renew(b"x" * 2 * SMALL)
    ledger.add(b"x" * SMALL)
    assert not ledger.is_full
    ledger.add(b"x" * SMALL)
    assert ledger.is_full
    ledger.renew(b"all")
    assert (tmp_path / "state.json").read_bytes() == b"all\n"


def test_it_is_to_be_written_anew_when_somebody_has_removed_it(ledger, tmp_path):
    ledger.renew(b"all")
    (tmp_path / "state.json").unlink()
    assert ledger.is_full


def test_it_is_to_be_written_anew_after_a_line_that_could_not_be_added(ledger):
    ledger.renew(b"all")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, next(fd for fd in fds() if points(fd).endswith("state.json")))
    os.close(full)
    with pytest.raises(OSError, match="No space"):
        ledger.add(b"one")
    assert ledger.is_full


def fds():
    return [int(name) for name in os.listdir("/proc/self/fd")]


def points(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # the listing's own
        return ""
