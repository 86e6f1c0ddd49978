from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from kettlingar.transport.rendezvous import StartLock, publish, read


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def test_what_is_published_can_be_read(folder):
    publish(folder, "kitty", "http://127.0.0.1:1/TOKEN")
    assert read(folder, "kitty") == "http://127.0.0.1:1/TOKEN"
    assert [file.name for file in folder.iterdir()] == ["kitty.url"]


@pytest.mark.parametrize("umask", [0, 0o022, 0o277])
def test_the_file_is_private_whatever_the_umask(folder, umask):
    old = os.umask(umask)
    try:
        publish(folder, "kitty", "http://a/")
    finally:
        os.umask(old)
    mode = stat.S_IMODE((folder / "kitty.url").stat().st_mode)
    assert mode & 0o077 == 0


def test_it_is_there_whole_or_not_at_all(folder):
    """A reader that opened the old file keeps it; the name leads to the new one."""
    publish(folder, "kitty", "http://old/")
    with (folder / "kitty.url").open() as old:
        publish(folder, "kitty", "http://new/")
        assert old.read() == "http://old/\n"
    assert read(folder, "kitty") == "http://new/"


def test_nothing_published_reads_as_none(folder):
    assert read(folder, "kitty") is None
    assert read(folder / "none", "kitty") is None


def test_one_removes_ones_own(folder):
    published = publish(folder, "kitty", "http://a/")
    assert published.remove()
    assert read(folder, "kitty") is None
    assert not published.remove()


def test_a_successors_file_is_left_alone_although_it_says_the_same(folder):
    first = publish(folder, "kitty", "http://a/")
    publish(folder, "kitty", "http://a/")
    assert not first.remove()
    assert read(folder, "kitty") == "http://a/"


def test_a_folder_that_others_may_write_to_is_refused(folder):
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="others may write to it"):
        publish(folder, "kitty", "http://a/")
    with pytest.raises(PermissionError, match="chmod go-w"):
        read(folder, "kitty")


def test_a_file_that_others_may_write_to_is_refused(folder):
    publish(folder, "kitty", "http://a/")
    (folder / "kitty.url").chmod(0o666)
    with pytest.raises(PermissionError, match="others may write to it"):
        read(folder, "kitty")


def test_a_link_in_place_of_the_folder_or_the_file_is_not_followed(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OSError, match="link"):
        publish(tmp_path / "link", "kitty", "http://a/")
    (folder / "kitty.url").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="url"):
        read(folder, "kitty")


def test_a_fifo_in_its_place_does_not_make_the_reader_wait(folder):
    os.mkfifo(folder / "kitty.url", 0o600)
    with pytest.raises(PermissionError, match="not a plain file"):
        read(folder, "kitty")


@pytest.mark.parametrize("name", ["", "../kitty", "a/b", ".hidden", "a\0b"])
def test_a_name_that_is_no_files_is_refused(folder, name):
    with pytest.raises(ValueError, match="cannot use"):
        publish(folder, name, "http://a/")
    assert list(folder.iterdir()) == []


def test_two_starts_at_once_end_in_one(folder):
    first, second = StartLock(folder, "kitty"), StartLock(folder, "kitty")
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    with second as held:
        assert held
    with first as held:
        assert held


def test_services_of_other_names_start_at_the_same_time(folder):
    with StartLock(folder, "kitty") as one, StartLock(folder, "catty") as other:
        assert one
        assert other


def test_a_killed_starter_leaves_no_lock(folder):
    code = (
        "import os, signal, sys; from kettlingar.transport.rendezvous import StartLock;"
        "assert StartLock(sys.argv[1], 'kitty').acquire(); print('held', flush=True);"
        "signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout.readline() == b"held\n"
        lock = StartLock(folder, "kitty")
        assert not lock.acquire()
        starter.kill()
        starter.wait()
        with lock as held:
            assert held


def test_the_lock_is_not_inherited(folder):
    lock = StartLock(folder, "kitty")
    with lock:
        child = subprocess.Popen(["sleep", "30"])
    try:
        with StartLock(folder, "kitty") as held:
            assert held
    finally:
        child.kill()
        child.wait()


def test_what_cannot_be_put_in_place_leaves_nothing_and_the_old_one_stays(folder):
    publish(folder, "kitty", "http://old/")
    with pytest.raises(UnicodeEncodeError):
        publish(folder, "kitty", "http://\ud800/")
    (folder / "catty.url").mkdir()
    with pytest.raises(IsADirectoryError):
        publish(folder, "catty", "http://a/")
    assert read(folder, "kitty") == "http://old/"
    assert sorted(file.name for file in folder.iterdir()) == ["catty.url", "kitty.url"]
