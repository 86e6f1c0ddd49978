"""Folders that nobody else can look into."""

import os
import stat

import pytest

from kettlingar.config.paths import data_dir, make_private_dir, state_dir


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_new_folder_is_private_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        made = make_private_dir(tmp_path / "a" / "b")
    finally:
        os.umask(old)
    assert mode(made) == 0o700


def test_an_own_folder_that_is_too_open_is_closed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o777)
    assert mode(make_private_dir(tmp_path / "a")) == 0o700
    assert mode(make_private_dir(str(tmp_path / "a"))) == 0o700


def test_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError, match="symbolic link"):
        make_private_dir(tmp_path / "link")


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_private_dir(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    os.chown(tmp_path / "a", 12345, -1)
    with pytest.raises(PermissionError, match="belongs to uid 12345"):
        make_private_dir(tmp_path / "a")


def test_the_usual_folders_are_the_users_own(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    monkeypatch.setenv("XDG_DATA_HOME", "/d")
    assert str(state_dir("app")) == "/s/app"
    assert str(data_dir("app")) == "/d/app"
