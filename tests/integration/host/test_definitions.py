"""Reading a real services.d: what is ignored, what is refused, and that each file stands alone."""

from __future__ import annotations

import os

import pytest

from kettlingard.host.definitions import MAX_SIZE, read_definition, read_definitions

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root distrusts what others may write")


def write(folder, name: str, data: bytes = b"[service]\n"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_definitions_are_found_by_name_and_others_ignored(tmp_path):
    for name in ("blog.toml", "purr.toml", ".hidden.toml", "_draft.toml", "blog.toml~"):
        write(tmp_path, name)
    for name in ("blog.toml.bak", "old.toml.disabled", "README", "notes.md"):
        write(tmp_path, name)
    found, problems = read_definitions([tmp_path])
    assert list(found) == ["blog", "purr"]
    assert found["blog"].text == "[service]\n"
    assert found["blog"].path == tmp_path / "blog.toml"
    assert not problems


def test_a_later_folder_replaces_a_whole_file(tmp_path):
    write(tmp_path / "vendor", "blog.toml", b"vendor")
    write(tmp_path / "vendor", "purr.toml", b"vendor")
    write(tmp_path / "etc", "blog.toml", b"etc")
    found, _ = read_definitions([tmp_path / "vendor", tmp_path / "etc", tmp_path / "none"])
    assert {name: one.text for name, one in found.items()} == {"blog": "etc", "purr": "vendor"}


def test_a_file_that_is_not_utf8_is_a_problem_with_its_line_and_the_others_are_read(tmp_path):
    write(tmp_path, "bad.toml", b"[service]\nkitten = '\xff'\n")
    write(tmp_path, "good.toml")
    found, problems = read_definitions([tmp_path])
    assert found["good"].text
    assert found["bad"].text is None
    assert found["bad"].line == 2
    assert "line 2 is not UTF-8 (byte 0xff)" in found["bad"].problem
    assert not problems


def test_a_byte_order_mark_is_no_hindrance(tmp_path):
    assert read_definition(write(tmp_path, "x.toml", b"\xef\xbb\xbfa = 1")).text == "a = 1"


def test_an_oversized_file_is_refused(tmp_path):
    one = read_definition(write(tmp_path, "big.toml", b"#" * (MAX_SIZE + 1)))
    assert one.text is None
    assert f"more than {MAX_SIZE} bytes" in one.problem


def test_what_is_no_file_or_not_there_is_a_problem(tmp_path):
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "dangling.toml").symlink_to("nowhere")
    found, _ = read_definitions([tmp_path])
    assert {name: bool(one.problem) for name, one in found.items()} == {
        "dangling": True,
        "fifo": True,
        "folder": True,
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_an_unreadable_file_says_so(tmp_path):
    path = write(tmp_path, "secret.toml")
    path.chmod(0)
    assert "Permission denied" in read_definition(path).problem


def test_what_is_no_folder_is_a_problem_of_the_folder(tmp_path):
    path = write(tmp_path, "services.d")
    found, problems = read_definitions([path])
    assert not found
    assert problems[0].path == path


@as_root
@pytest.mark.parametrize("bits", [0o666, 0o646])
def test_root_refuses_a_file_that_others_may_write(tmp_path, bits):
    path = write(tmp_path, "x.toml")
    path.chmod(bits)
    one = read_definition(path)
    assert one.text is None
    assert "others than its owner may write" in one.problem


@as_root
def test_root_refuses_a_file_that_a_group_may_write(tmp_path):
    path = write(tmp_path, "x.toml")
    os.chown(path, 65534, 65534)
    assert read_definition(path).text
    path.chmod(0o664)
    assert read_definition(path).problem


@as_root
def test_root_refuses_a_folder_that_others_may_write(tmp_path):
    write(tmp_path / "open", "x.toml")
    (tmp_path / "open").chmod(0o777)
    found, problems = read_definitions([tmp_path / "open"])
    assert not found
    assert "chmod go-w" in problems[0].problem


def test_drop_ins_of_all_folders_lie_over_the_definition_in_order_of_their_names(tmp_path):
    for folder, name in (("vendor", "20.toml"), ("etc", "10.toml"), ("etc", "20.toml")):
        path = tmp_path / folder / "blog.toml.d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {folder}")
    (tmp_path / "etc" / "blog.toml.d" / "30.toml.bak").write_text("not this one")
    (tmp_path / "vendor" / "blog.toml").write_text("")
    found, problems = read_definitions([tmp_path / "vendor", tmp_path / "etc"])
    texts = [(one.path.name, one.text) for one in found["blog"].dropins]
    assert texts == [("10.toml", "# etc"), ("20.toml", "# etc")]
    assert not problems


def test_drop_ins_of_nothing_are_said(tmp_path):
    (tmp_path / "blgo.toml.d").mkdir()
    (tmp_path / "blgo.toml.d" / "1.toml").write_text("")
    _, [problem] = read_definitions([tmp_path])
    assert "there is no blgo.toml to change" in problem.problem
