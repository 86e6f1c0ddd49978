from __future__ import annotations

import io
import os
import socket
import tempfile

import pytest

from kettlingar.transport.fdpass import close_all, give, recv_fds, send_fds, tagging, take
from kettlingar.wire.fdtags import FdTag
from tests.integration.transport.peers import a_file, count_fds


def through(thing):
    """The thing as it is on the other side of a socket."""
    one, other = socket.socketpair()
    with one, other:
        tag, fd = take(thing)
        send_fds(one, b"x", [fd])
        _, (fd,) = recv_fds(other, 1)
        return give(tag, fd)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_text("héllo\n", encoding="latin-1")
    return path


@pytest.mark.parametrize("mode", ["rb", "r+b", "wb", "w+b", "ab", "a+b"])
def test_a_binary_file_keeps_its_type_and_mode(path, mode):
    with open(path, mode) as file, through(file) as got:
        assert type(got) is type(file)
        assert got.mode == file.mode


@pytest.mark.parametrize("mode", ["r", "r+", "w", "w+", "a", "rt"])
def test_a_text_file_keeps_its_mode_and_encoding(path, mode):
    with open(path, mode, encoding="latin-1") as file, through(file) as got:
        assert isinstance(got, io.TextIOWrapper)
        assert (got.mode, got.encoding) == (mode.replace("t", ""), "latin-1")


def test_the_content_arrives(path):
    with open(path, encoding="latin-1") as file, through(file) as got:
        assert got.read() == "héllo\n"


def test_a_file_opened_as_new_is_not_made_again(tmp_path):
    with open(tmp_path / "new", "x") as file, through(file) as got:
        got.write("from there")
        got.flush()
        assert (tmp_path / "new").read_text() == "from there"


def test_what_was_written_before_comes_before(tmp_path):
    with open(tmp_path / "log", "w") as file:
        file.write("first ")
        with through(file) as got:
            got.write("second")
    assert (tmp_path / "log").read_text() == "first second"


def test_a_temporary_file_goes_too():
    with tempfile.NamedTemporaryFile() as file, through(file) as got:
        got.write(b"x")
        got.flush()
        assert os.fstat(file.fileno()).st_size == 1


def test_both_ends_of_a_pipe_go():
    read_fd, write_fd = os.pipe()
    with open(read_fd, "rb") as reader, open(write_fd, "wb") as writer:
        with through(writer) as got:
            got.write(b"through the pipe")
        with through(reader) as got:
            assert got.read(16) == b"through the pipe"


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (socket.AF_INET, socket.SOCK_STREAM),
        (socket.AF_INET6, socket.SOCK_DGRAM),
        (socket.AF_UNIX, socket.SOCK_SEQPACKET),
    ],
)
def test_a_socket_keeps_its_family_and_type(family, kind):
    with socket.socket(family, kind) as sock, through(sock) as got:
        assert (got.family, got.type) == (family, kind)
        assert not got.get_inheritable()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_socket_knows_whether_it_blocks(blocking):
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(blocking)
        with through(one) as got:
            assert got.getblocking() is blocking


def test_a_socket_may_be_sent_through_itself():
    one, other = socket.socketpair()
    with one, other:
        tag, fd = take(one)
        send_fds(one, b"x", [fd])
        _, (fd,) = recv_fds(other, 1)
        with give(tag, fd) as got:
            got.send(b"hello")
            assert other.recv(5) == b"hello"


@pytest.mark.parametrize(
    "thing", [3, "text", b"bytes", None, io.BytesIO(), socket.socket, object()]
)
def test_what_is_neither_file_nor_socket_is_not_taken(thing):
    before = count_fds()
    assert take(thing) is None
    assert count_fds() == before


def test_what_is_closed_is_not_taken(path):
    file = path.open()
    file.close()
    sock = socket.socket()
    sock.close()
    assert take(file) is None
    assert take(sock) is None


@pytest.mark.parametrize(
    ("kind", "mode", "encoding"),
    [
        ("socket", "", None),  # it is a file
        ("file", "rw", None),
        ("file", "U", None),
        ("file", "", None),
        ("file", "r", "no-such-encoding"),
        ("file", "x", None),
    ],
)
def test_a_placeholder_that_lies_is_an_error_and_closes_the_descriptor(path, kind, mode, encoding):
    fd = os.open(path, os.O_RDONLY)
    before = count_fds()
    with pytest.raises(ValueError, match="cannot use the descriptor as a"):
        give(FdTag(0, kind, mode, encoding, 0, 0, 0), fd)
    assert count_fds() == before - 1


def test_a_folder_is_no_file(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    before = count_fds()
    with pytest.raises(ValueError, match="cannot use"):
        give(FdTag(0, "file", "r", None, 0, 0, 0), fd)
    assert count_fds() == before - 1


def test_a_pipe_cannot_be_read_and_written_in_place():
    read_fd, write_fd = os.pipe()
    before = count_fds()
    with pytest.raises(ValueError, match="cannot use"):
        give(FdTag(0, "file", "r+b", None, 0, 0, 0), read_fd)
    os.close(write_fd)
    assert count_fds() == before - 2


def test_closing_all_goes_on_after_one_that_is_closed():
    one, other = a_file(), a_file()
    before = count_fds()
    os.close(one)
    close_all([one, other])
    assert count_fds() == before - 2


def test_253_descriptors_go_in_one_message_and_no_more():
    one, other = socket.socketpair()
    with one, other:
        fds = [a_file() for _ in range(254)]
        with pytest.raises(ValueError, match="cannot send 254"):
            send_fds(one, b"x", fds)
        with pytest.raises(ValueError, match="alone"):
            send_fds(one, b"", fds[:1])
        send_fds(one, b"x", fds[:253])
        _, got = recv_fds(other, 10)
        assert len(got) == 253
        close_all(fds + got)


def test_what_is_no_file_is_a_clear_error_to_whoever_sends_it():
    fds = []
    with pytest.raises(TypeError, match=r"cannot send a object: .*open file or socket"):
        tagging(fds)(object())
    assert fds == []


def test_open_files_are_numbered_in_the_order_in_which_they_are_sent(path):
    fds = []
    tag = tagging(fds)
    with open(path, "rb") as one, open(path, "rb", buffering=0) as other:
        assert [(t.index, t.mode) for t in (tag(one), tag(other))] == [(0, "rb"), (1, "rb")]
        assert fds == [one.fileno(), other.fileno()]
