"""`kettlingard check` and `kettlingard schema`, as programs."""

import json
import subprocess

import pytest

from tests.helpers import ROOT
from tests.supervision import UP

GOOD = '[service]\nkitten = "good:Good"\npython_path = ["src"]\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "good.py").write_text(
        "print('hello from the module')\n"
        "from kettlingar import RPCKitten\n"
        "class Good(RPCKitten):\n"
        "    class Configuration(RPCKitten.Configuration):\n"
        "        APP_NAME = 'good'\n"
        "        LIMIT: int = 3\n"
    )
    return tmp_path


@pytest.fixture
def run(tmp_path):
    def kettlingard(*arguments):
        return subprocess.run(
            [*UP, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
        )

    return kettlingard


def test_a_good_definition_is_nothing_to_talk_about(run, folder):
    (folder / "good.toml").write_text(GOOD + "[config]\nlimit = 4\n")
    for where in (folder, folder / "good.toml"):
        done = run("check", "--import", str(where))
        assert (done.returncode, done.stdout) == (0, "")


def test_each_problem_has_its_place_in_text_and_json(run, folder):
    (folder / "bad.toml").write_text("[service]\nkitten = 3\ninstancse = 2\n")
    done = run("check", str(folder))
    assert done.returncode == 6
    assert done.stdout.splitlines()[0].startswith(f"{folder}/bad.toml:2:1: service.kitten: ")
    said = json.loads(run("check", "-o", "json", str(folder)).stdout)
    assert said["services"] == ["bad"]
    assert [(one["line"], one["key"]) for one in said["problems"]] == [
        (2, "service.kitten"),
        (3, "service.instancse"),
    ]


def test_an_import_says_what_is_wrong_with_module_class_and_settings(run, folder):
    (folder / "good.toml").write_text(GOOD + "[config]\nlimit = 'many'\nlimti = 3\n")
    (folder / "nobody.toml").write_text(GOOD.replace("good:Good", "good:Bad"))
    (folder / "nowhere.toml").write_text(GOOD.replace("good:Good", "nowhere:Good"))
    done = run("check", "--import", str(folder))
    assert done.returncode == 6
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{folder}/good.toml:5:1: config.limit: ")
    assert "'many' is no int" in lines[0]
    assert "limti is not a setting; did you mean limit?" in lines[1]
    assert (
        "nobody.toml:2:1: service.kitten: cannot import it: ImportError: module good has no"
        in (lines[2])
    )
    assert "No module named 'nowhere'" in lines[3]
    assert run("check", str(folder)).returncode == 0


def test_an_interpreter_without_kettlingar_is_named(run, folder):
    (folder / "good.toml").write_text(GOOD + 'python = "/nonexistent/python"\n')
    done = run("check", "--import", str(folder))
    assert "good.toml:4:1: service.python: cannot run /nonexistent/python" in done.stdout


def test_drop_ins_and_defaults_are_checked_too(run, folder):
    (folder / "good.toml").write_text(GOOD)
    (folder / "good.toml.d").mkdir()
    (folder / "good.toml.d" / "1.toml").write_text("[log]\nlevel = 'loud'\n")
    config = folder / "k" / "kettlingard.toml"
    config.parent.mkdir()
    config.write_text("[defaults.service]\nnice = 99\n")
    assert "good.toml.d/1.toml:2:1: log.level" in run("check", str(folder / "good.toml")).stdout
    bad = run("check", "--config", str(config), str(folder))
    assert (bad.returncode, "kettlingard.toml:2:1: service.nice" in bad.stderr) == (6, True)


def test_what_is_not_there_is_said(run, folder):
    done = run("check", str(folder / "none.toml"))
    assert (done.returncode, "there is no such definition" in done.stdout) == (6, True)


def test_without_files_the_usual_folders_are_checked(run, folder):
    (folder / "services.d").mkdir()
    (folder / "services.d" / "bad.toml").write_text("x")
    assert "bad.toml:1" in run("check", "--home", str(folder)).stdout


def test_the_schema_is_json(run):
    assert json.loads(run("schema").stdout)["title"] == "A service of kettlingard"
