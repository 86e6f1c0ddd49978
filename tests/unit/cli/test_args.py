"""A service's command line, read."""

import pytest

from kettlingar.api.methods import read_methods
from kettlingar.cli.args import UsageError, nearest, parse
from kettlingar.cli.output import Output
from kettlingar.config.schema import Configuration, read_schema


class Kitten:
    async def api_purr(self, request_info, count: int = 1, purr: str = "purr"): ...

    async def api_any(self, request_info, *args, **kwargs): ...

    async def api_ping(self, request_info, docs: bool = False): ...

    async def api_config(self, request_info): ...

    async def api_help(self, request_info, command: str = ""): ...

    async def public_api_stop(self, request_info, what: str): ...


TABLE = read_methods(Kitten)
SCHEMA = read_schema(Configuration)


def read(line):
    return parse(line.split(), SCHEMA, TABLE)


def usage(line):
    with pytest.raises(UsageError) as caught:
        read(line)
    return str(caught.value)


def test_a_method_and_its_arguments():
    request = read("purr 2 --purr=rarr")
    assert (request.command, request.method) == ("call", "purr")
    assert (request.args, request.kwargs) == (["2"], {"purr": "rarr"})


def test_settings_and_flags_stand_before_the_command():
    request = read("--worker-name=Bob -j --tcp purr")
    assert request.settings == ["--worker-name=Bob"]
    assert request.flags == {"json", "tcp"}
    assert request.output is Output.JSON


@pytest.mark.parametrize("command", ["start", "stop", "restart", "serve", "ping", "config"])
def test_they_may_follow_a_built_in_command_too(command):
    request = read(f"{command} --worker-listen-port=12345 --json -t")
    assert request.command == command
    assert request.settings == ["--worker-listen-port=12345"]
    assert request.flags == {"json", "tcp"}


def test_after_a_method_everything_is_the_methods():
    request = read("any -j --json --worker-name=x -5 -- --y=1")
    assert request.args == ["-j", "-5", "--y=1"]
    assert request.kwargs == {"json": "yes", "worker_name": "x"}
    assert not request.flags
    assert not request.settings


def test_short_flags_may_be_joined():
    assert read("-jtJ ping").flags == {"json", "tcp", "json_rpc"}
    assert read("-r ping").output is Output.RAW


def test_a_repeated_name_has_a_list():
    assert read("any --a=1 --a=2 --a=3 --b-c=4").kwargs == {"a": ["1", "2", "3"], "b_c": "4"}


def test_call_reaches_a_method_that_is_named_like_a_command():
    request = read("call -j stop engine")
    assert (request.command, request.method, request.args) == ("call", "stop", ["engine"])
    assert request.output is Output.JSON


def test_arguments_of_a_built_in_methods_own():
    assert read("ping --docs=y -j").kwargs == {"docs": "y"}
    assert read("help purr").args == ["purr"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--worker-nmae=x start", "--worker-nmae is not a setting; did you mean --worker-name?"),
        ("start --worker-listen-prot=1", "did you mean --worker-listen-port?"),
        ("--jsn ping", "--jsn is not an option; did you mean --json?"),
        ("-x ping", "-x is not an option; there are -j"),
        ("start now", "start takes no argument 'now'"),
        ("purr 1 2 3", "3 values are given, it takes 2"),
        ("purr --nope=1", "there is no argument 'nope'; it takes (count=, purr=)"),
        ("config extra", "1 values are given"),
        ("call", "call which method?"),
        ("any --call-timeout=3", "--call-timeout is for Python callers"),
    ],
)
def test_what_means_nothing_says_what_to_write_instead(line, words):
    assert words in usage(line)


def test_nothing_asks_for_nothing():
    assert read("").command == ""
    assert read("-j").command == ""


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("-h", []),
        ("--help purr 1 2", ["purr"]),
        ("start --help", ["start"]),
        ("purr --help", ["purr"]),
        ("call -h purr", ["purr"]),
        ("help", []),
        ("help purr", ["purr"]),
        ("help -h", []),
    ],
)
def test_help_is_where_people_look_for_it(line, args):
    request = read(line)
    assert (request.command, request.args) == ("help", args)


def test_help_may_be_a_methods_own_argument():
    request = read("any --help")
    assert (request.command, request.kwargs) == ("call", {"help": "yes"})


def test_a_method_that_only_the_running_service_knows_is_no_error():
    request = read("mrow 1 --a=b")
    assert (request.command, request.method) == ("call", "mrow")


def test_unknown_names_get_the_nearest_known_one():
    assert nearest("puur", TABLE).endswith("did you mean purr?")
    assert nearest("strat", TABLE).endswith("did you mean start?")
    assert nearest("xyzzy", TABLE).endswith("`help` lists what there is")


def test_two_dashes_end_the_options():
    assert read("-j -- purr 1").args == ["1"]
    assert read("call -- purr").method == "purr"
    assert read("call -h").command == "help"
