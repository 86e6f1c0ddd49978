"""The file of what people said, on a real disk."""

import pytest

from kettlingard.remembered import Remembered


@pytest.fixture
def path(tmp_path):
    return tmp_path / "remembered.json"


def test_a_stop_is_remembered_until_the_machine_boots_again(path):
    Remembered(path, "boot 1").stopped("blog", yes=True)
    assert Remembered(path, "boot 1").is_stopped("blog")
    assert not Remembered(path, "boot 2").is_stopped("blog")


def test_a_start_takes_it_back(path):
    one = Remembered(path, "b")
    one.stopped("blog", yes=True)
    one.stopped("blog", yes=False)
    assert not Remembered(path, "b").is_stopped("blog")


def test_disabled_is_for_ever_and_a_scale_until_the_next_boot(path):
    one = Remembered(path, "boot 1")
    one.enable("blog", yes=False)
    one.scale("blog", 3)
    assert Remembered(path, "boot 1").scaled("blog") == 3
    after = Remembered(path, "boot 2")
    assert (after.enabled("blog"), after.scaled("blog")) == (False, None)


def test_instances_that_were_stopped_are_so_until_the_next_boot(path):
    Remembered(path, "boot 1").hold_back("blog", {3, 1})
    assert Remembered(path, "boot 1").held_back("blog") == {1, 3}
    assert Remembered(path, "boot 2").held_back("blog") == set()
    one = Remembered(path, "boot 1")
    one.hold_back("blog", ())
    assert Remembered(path, "boot 1").held_back("blog") == set()


def test_a_file_of_an_older_version_is_read(path):
    path.write_text('{"boot": "b", "stopped": ["blog"], "scaled": {}, "enabled": {}}')
    one = Remembered(path, "b")
    assert (one.is_stopped("blog"), one.held_back("blog")) == (True, set())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"boot": 1, "stopped": 3}', "\0"])
def test_a_file_that_makes_no_sense_is_as_good_as_none(path, text):
    path.write_text(text)
    one = Remembered(path, "b")
    assert not one.is_stopped("blog")
    one.stopped("blog", yes=True)
    assert Remembered(path, "b").is_stopped("blog")
