"""Settings: from constants, files and command lines to one configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest

from kettlingar.config.schema import Configuration, merge, read_schema
from kettlingar.config.values import Between, Check, Octal
from kettlingar.errors import ConfigError


class Base(Configuration):
    APP_NAME = "test"
    APP_STATE_DIR = "/state"
    APP_DATA_DIR = "/data"
    MAX_WIDTH = 1024
    RATIO: float = 1
    NAMES = ["a"]  # noqa: RUF012
    LIMITS: dict[str, int] = {}  # noqa: RUF012
    API_KEY = ""
    MODE: Literal["fast", "slow"] = "fast"
    FOLDER = Path("/tmp")
    HELPER = None
    _PRIVATE = 1
    not_a_setting = 2


class Child(Base):
    MAX_WIDTH = 2048
    WORKER_LOG_LEVEL = 10
    WORKER_LISTEN_PORT = "8080"


def configured(*args: str, cls: type[Configuration] = Base) -> Configuration:
    config = cls()
    config.configure(list(args))
    return config


def problems(*args: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configured(*args)
    return caught.value.problems


def test_every_constant_in_capitals_is_a_setting():
    names = set(read_schema(Base))
    assert {"app_name", "max_width", "worker_name", "worker_http_keepalive"} <= names
    assert not {"_private", "not_a_setting", "private"} & names


@pytest.mark.parametrize(
    "name",
    [
        "APP_NAME",
        "APP_DATA_DIR",
        "APP_STATE_DIR",
        "WORKER_NAME",
        "WORKER_CONFIG",
        "WORKER_NICE",
        "WORKER_UMASK",
        "WORKER_SECRET",
        "WORKER_LISTEN_QUEUE",
        "WORKER_LISTEN_HOST",
        "WORKER_LISTEN_PORT",
        "WORKER_URL_PATH",
        "WORKER_USE_TCP",
        "WORKER_USE_UNIXDOMAIN",
        "WORKER_USE_MSGPACK",
        "WORKER_LOG_LEVEL",
        "WORKER_HTTP_REQUEST_TIMEOUT1",
        "WORKER_HTTP_REQUEST_TIMEOUT2",
        "WORKER_HTTP_REQUEST_MAX_SIZE",
        "WORKER_ACCEPT_TIMEOUT",
    ],
)
def test_names_that_existing_services_use_are_there(name):
    assert hasattr(Configuration, name)
    assert hasattr(Base(), name.lower())


def test_defaults_come_down_the_class_tree():
    assert configured(cls=Child).max_width == 2048
    assert configured(cls=Child).app_name == "test"


def test_the_first_annotation_says_the_type_however_a_subclass_spells_the_value():
    config = configured(cls=Child)
    assert config.worker_listen_port == 8080
    assert config.worker_log_level == 10
    assert isinstance(Base().ratio, float)


@pytest.mark.parametrize(
    ("argument", "name", "value"),
    [
        ("--max-width=5", "max_width", 5),
        ("--max_width=0x10", "max_width", 16),
        ("--MAX-WIDTH=7", "max_width", 7),
        ("--ratio=2", "ratio", 2.0),
        ("--worker-use-tcp=no", "worker_use_tcp", False),
        ("--worker-use-tcp", "worker_use_tcp", True),
        ('--names=["b", "c"]', "names", ["b", "c"]),
        ('--limits={"a": 1}', "limits", {"a": 1}),
        ("--worker-name=a=b", "worker_name", "a=b"),
        ("--worker-umask=027", "worker_umask", 0o027),
        ("--worker-log-level=debug", "worker_log_level", "debug"),
        ("--worker-log-level=10", "worker_log_level", 10),
        ("--mode=slow", "mode", "slow"),
        ("--folder=/x", "folder", Path("/x")),
        ("--helper=x", "helper", "x"),
        ("--max-width=", "max_width", 1024),
        ("--worker-name=", "worker_name", "worker"),
        ("--names=", "names", ["a"]),
    ],
)
def test_the_command_line_sets_what_it_names(argument, name, value):
    found = getattr(configured(argument), name)
    assert found == value
    assert type(found) is type(value)


def test_what_is_no_setting_is_given_back():
    assert Base().configure(["start", "--max-width=1", "-j", "--", "--worker-name=x"]) == [
        "start",
        "-j",
        "--worker-name=x",
    ]


def test_unknown_options_are_refused_with_the_nearest_known_one():
    assert problems("--worker-nmae=x", "--zzz=1") == [
        "--worker-nmae is not a setting; did you mean --worker-name?",
        "--zzz is not a setting",
    ]


def test_unknown_options_are_given_back_when_not_strict():
    assert Base().configure(["--zzz=1", "--max-width=3"], strict=False) == ["--zzz=1"]


def test_all_problems_are_told_at_once():
    found = problems("--max-width=wide", "--worker-use-tcp=maybe", "--names=a", "--mode=odd")
    assert found[0] == (
        "cannot set --max-width: 'wide' is no int: invalid literal for int() with base 10: 'wide'"
    )
    assert len(found) == 4
    assert "neither true/yes/y/1" in found[1]
    assert "it is written as JSON" in found[2]
    assert "not one of fast, slow" in found[3]


@pytest.mark.parametrize(
    "argument",
    [
        "--max-width=1.5",
        "--ratio=nan",
        "--ratio=x",
        "--limits=[1]",
        "--names={}",
        "--names=" + "[" * 10**5,
    ],
)
def test_wrong_values_are_refused(argument):
    assert problems(argument)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("worker-listen-port=80000", "to '80000': it may not be above 65535"),
        ("worker-listen-port=-1", "to '-1': it may not be below 0"),
        ("worker-http-request-timeout1=-1", "to '-1': it may not be below 0"),
        ("worker-max-connections=0", "to '0': it may not be below 1"),
        ("worker-log-level=loud", "to 'loud': it is not one of trace, debug, info"),
        ("worker-log-format=xml", ": 'xml' is no choice: not one of text, json"),
        ("worker-loop=trio", ": 'trio' is no choice: not one of auto, asyncio, uvloop"),
        (
            "worker-allowed-hosts=localhost",
            """'localhost' is no list: it is written as JSON, ["a", """,
        ),
    ],
)
def test_a_value_that_means_nothing_is_refused_before_anything_starts(argument, said):
    (problem,) = problems(f"--{argument}")
    assert said in problem


class Even(Check):
    def __call__(self, value):
        if value % 2:
            raise ValueError("it is odd")


class Checked(Base):
    PAWS: Annotated[int, "how many", Even(), Between(0, 8)] = 4


def test_an_author_may_say_what_else_a_value_is_to_be():
    assert read_schema(Checked)["paws"].meaning == "how many"
    assert configured("--paws=6", cls=Checked).paws == 6
    for paws, said in ((3, "it is odd"), (10, "it may not be above 8")):
        with pytest.raises(ConfigError, match=f"cannot set --paws to '{paws}': {said}"):
            configured(f"--paws={paws}", cls=Checked)


def test_a_wrong_secret_is_not_repeated():
    class Numeric(Base):
        PIN_TOKEN = 5

    with pytest.raises(ConfigError) as caught:
        configured("--pin-token=hunter2", cls=Numeric)
    assert "(a secret)" in caught.value.problems[0]


def test_nothing_changes_when_anything_is_wrong():
    config = configured()
    with pytest.raises(ConfigError):
        config.apply("somewhere", {"max_width": 1, "ratio": "x"})
    assert config.max_width == 1024


def test_later_layers_win_and_their_origin_is_known(tmp_path):
    file = tmp_path / "k.cfg"
    file.write_text("max_width = 7\nratio = 7\n")
    config = configured(f"--worker-config={file}", "--ratio=9")
    assert (config.max_width, config.ratio) == (7, 9.0)
    assert config.origin("max_width") == str(file)
    assert config.origin("--ratio") == "command line"
    assert config.origin("names") == "default"


def test_problems_of_a_file_name_it(tmp_path):
    file = tmp_path / "k.cfg"
    file.write_text("max_widht = 7\nratio = x\n")
    found = problems(f"--worker-config={file}")
    assert found[0] == f"{file}: max_widht is not a setting; did you mean max_width?"
    assert found[1].startswith(f"{file}: cannot set ratio: 'x' is no float")


def test_the_usual_file_is_read_if_it_is_there(tmp_path):
    arguments = [f"--app-data-dir={tmp_path}", "--worker-name=Bob", "--worker-config=y"]
    assert configured(*arguments).max_width == 1024
    (tmp_path / "Bob.cfg").write_text("max-width: = 1\n".replace(":", ""))
    assert configured(*arguments).max_width == 1


def test_a_class_may_name_its_own_file(tmp_path):
    file = tmp_path / "k.toml"
    file.write_text('names = ["x"]\nlimits = { a = 1 }\n')
    cls = type("Filed", (Base,), {"WORKER_CONFIG": str(file)})
    config = configured(cls=cls)
    assert (config.names, config.limits) == (["x"], {"a": 1})


def test_settings_are_shown_without_secrets():
    config = configured("--api-key=hunter2")
    assert config.as_dict()["api_key"] == "hunter2"
    assert config.as_dict(mask_secrets=True)["api_key"] == "(secret)"
    assert config.as_dict(mask_secrets=True)["worker_secret"] == ""
    assert "hunter2" not in str(config)


def test_what_it_prints_as_text_it_reads_back():
    config = configured('--names=["é"]', "--worker-umask=027", "--worker-use-tcp=n", "--ratio=.5")
    lines = [line for line in str(config).splitlines() if not line.startswith("--helper")]
    assert configured(*lines).as_dict() == config.as_dict()
    assert "--worker-umask=0o027" in lines


def test_defaults_are_not_shared_between_instances():
    first = Base()
    first.names.append("b")
    assert Base().names == ["a"]


def test_code_may_change_a_setting():
    config = configured()
    config.max_width = 3
    assert config.as_dict()["max_width"] == 3


def test_the_folders_follow_the_applications_name():
    class Plain(Configuration):
        APP_NAME = "one"

    config = Plain()
    config.configure(["--app-name=two"])
    assert config.app_state_dir.endswith("/two")
    assert config.app_data_dir.endswith("/two")
    config.apply("definition", {"app_state_dir": "/x"})
    assert config.app_state_dir == "/x"


def test_what_is_no_setting_is_no_attribute():
    with pytest.raises(AttributeError, match="zzz is not a setting of Base"):
        _ = Base().zzz


def test_an_annotation_that_means_nothing_is_told_clearly():
    class Broken(Base):
        THING: Missing = 1  # noqa: F821

    with pytest.raises(TypeError, match=r"cannot read .*Broken: name 'Missing' is not defined"):
        Broken()


def test_layers_can_be_merged_without_an_instance():
    found = merge(read_schema(Base), [("a.toml", {"max_width": 3, "nope": 1})])
    assert found.values["max_width"] == 3
    assert found.origins["max_width"] == "a.toml"
    assert found.problems == ["a.toml: nope is not a setting"]


def test_an_octal_is_an_int():
    assert read_schema(Base)["worker_umask"].kind is Octal
    assert configured("--worker-umask=7").worker_umask == 7
