"""Files and command lines as plain dicts."""

import pytest

from kettlingar.config.sources import from_argv, from_lines, read_file
from kettlingar.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("key = value", "value"),
        ("key=value", "value"),
        ("  Key  =  two words  ", "two words"),
        ("key = a=b=c", "a=b=c"),
        ("key = value # comment", "value"),
        ("key = value#no-comment", "value#no-comment"),
        ('key = "a # b"', "a # b"),
        ("key = 'a # b' # c", "a # b"),
        ('key = "quoted"', "quoted"),
        ("key = it's # fine' #", "it's # fine'"),
        ('key = ["a", "b # c"]', '["a", "b # c"]'),
        ("key = # nothing", ""),
        ("key =", ""),
        ("KEY = v", "v"),
    ],
)
def test_a_line_is_a_key_and_a_value(line, value):
    assert from_lines(line, "f") == {"key": value}


def test_comments_and_blank_lines_say_nothing():
    assert from_lines("# a\n\n   # b = c\nworker-name = x\n", "f") == {"worker_name": "x"}


def test_wrong_lines_are_all_told_with_their_numbers():
    with pytest.raises(ConfigError) as caught:
        from_lines("a = 1\nnonsense\n= 2\nA = 3\n", "f.cfg")
    assert caught.value.problems == [
        "f.cfg:2: 'nonsense' is not `key = value`",
        "f.cfg:3: '= 2' is not `key = value`",
        "f.cfg:4: a is set twice; remove one of the lines",
    ]


def test_toml_is_read_as_toml(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("a = [1, 2]\n[b]\nc = true\n")
    assert read_file(file) == {"a": [1, 2], "b": {"c": True}}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.toml", b"a = ", "end of document"),
        ("a.cfg", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=f"cannot read .*{name}: .*{words}"):
        read_file(tmp_path / name)


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_file(tmp_path / "none")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_file(tmp_path)


def test_settings_are_taken_out_of_a_command_line():
    argv = ["--a=1", "start", "--b", "-j", "--c=x=y", "--", "--a=2"]
    assert from_argv(argv, {"a", "b", "c"}) == (
        {"a": "1", "b": "yes", "c": "x=y"},
        ["start", "-j", "--a=2"],
    )
    assert from_argv(argv, {"a"}, strict=False) == (
        {"a": "1"},
        ["start", "--b", "-j", "--c=x=y", "--a=2"],
    )
