"""Real files and folders: whole or not at all, ours or refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kettlingard.errors import AlreadyRunningError, PathError
from kettlingard.host import files
from tests.helpers import ROOT, wait_for

as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_folder_is_made_with_its_mode_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        made = files.private_dir(tmp_path / "run", 0o755)
    finally:
        os.umask(before)
    assert mode(made) == 0o755


def test_a_folder_that_is_there_is_tightened(tmp_path):
    (tmp_path / "run").mkdir(mode=0o777)
    assert mode(files.private_dir(tmp_path / "run")) == 0o700
    assert mode(files.private_dir(tmp_path / "run", 0o755)) == 0o755


def test_folders_above_are_made(tmp_path):
    assert files.private_dir(tmp_path / "a/b/c").is_dir()


def test_a_link_in_place_of_a_private_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to("elsewhere")
    with pytest.raises(PathError, match="it is a symbolic link"):
        files.private_dir(tmp_path / "run")


def test_a_file_in_place_of_a_private_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(PathError, match="is no folder"):
        files.private_dir(tmp_path / "run")
    with pytest.raises(PathError, match="is no folder"):
        files.private_dir(tmp_path / "run/below")


@as_root
def test_somebody_elses_folder_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    os.chown(tmp_path / "run", 65534, 65534)
    with pytest.raises(PathError, match="belongs to uid 65534"):
        files.private_dir(tmp_path / "run")


@as_user
def test_a_folder_that_cannot_be_made_says_why(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PathError, match="Permission denied"):
        files.private_dir(tmp_path / "run")
    tmp_path.chmod(0o700)


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "state.json"
    files.write_atomic(path, b"old")
    with path.open("rb") as reader:
        files.write_atomic(path, b"new" * 100_000, mode=0o640)
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new" * 100_000
    assert mode(path) == 0o640
    assert os.listdir(tmp_path) == ["state.json"]


def test_when_it_cannot_be_replaced_the_old_file_stays(tmp_path):
    path = tmp_path / "state.json"
    path.mkdir()  # a file cannot replace a folder
    with pytest.raises(OSError, match="directory"):
        files.write_atomic(path, b"new")
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_small_file_is_read_and_a_large_one_is_not(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"x" * 10)
    assert files.read_small(path, 10) == b"x" * 10
    with pytest.raises(PathError, match="more than 9 bytes"):
        files.read_small(path, 9)


def test_a_fifo_or_folder_in_place_of_a_file_does_not_hang_us(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(PathError, match="no regular file"):
        files.read_small(tmp_path / "fifo", 10)
    with pytest.raises((PathError, IsADirectoryError)):
        files.read_small(tmp_path, 10)


def test_only_one_can_hold_the_lock_and_the_other_learns_who(tmp_path):
    lock = files.Lock(tmp_path / "lock")
    with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()} holds") as why:
        files.Lock(tmp_path / "lock")
    assert why.value.pid == os.getpid()
    lock.release()
    assert not (tmp_path / "lock").exists()
    lock.release()
    files.Lock(tmp_path / "lock").release()


def test_a_lock_ends_with_its_process_and_its_file_is_no_hindrance(tmp_path):
    script = (
        "import sys, time, pathlib; from kettlingard.host.files import Lock\n"
        "lock = Lock(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError, match=f"pid {process.pid}"):
            files.Lock(path)
        process.kill()
        process.wait()
    assert path.exists()
    wait_for(lambda: _can_lock(path))


def _can_lock(path: Path) -> bool:
    try:
        files.Lock(path).release()
    except AlreadyRunningError:
        return False
    return True


def test_the_lock_is_not_inherited(tmp_path):
    lock = files.Lock(tmp_path / "lock")
    assert not os.get_inheritable(lock.fileno())
    lock.release()
