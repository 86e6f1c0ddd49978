"""The journal's stream protocol, spoken to a socket that stands in for journald's."""

import os
import socket

import pytest

from kettlingard.core.spec import LogKeys, ServiceSpec
from kettlingard.host import journal
from kettlingard.host.possible import House, impossible


def test_a_process_writes_its_lines_after_seven_of_ours(tmp_path):
    path = tmp_path / "stdout"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as journald:
        journald.bind(str(path))
        journald.listen()
        assert journal.missing(path) == ""
        fd = journal.open_journal("blog", path)
        with journald.accept()[0] as stream:
            os.write(fd, b"<3>it is broken\n")
            os.close(fd)
            text = b"".join(iter(lambda: stream.recv(4096), b""))
    assert text == b"blog\n\n6\n1\n0\n0\n0\n<3>it is broken\n"


def test_without_a_journal_the_target_is_refused_with_the_reason(tmp_path):
    assert "no systemd journal" in journal.missing(tmp_path / "none")
    with pytest.raises(OSError):
        journal.open_journal("blog", tmp_path / "none")
    spec = ServiceSpec("blog", log=LogKeys(target="journal"))
    if not journal.missing():
        pytest.skip("this machine has a journal")
    [(key, why)] = impossible(spec, House())
    assert key == "log.target"
    assert "no systemd journal" in why
