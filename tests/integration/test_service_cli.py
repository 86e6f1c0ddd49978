"""The command line of a service that is not in the repository, run as a person would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from functools import partial

import pytest

from tests.helpers import ROOT, pick_port

from .terminal import answering

SOURCE = '''
import asyncio
from kettlingar import BadRequest, Conflict, NotFound, RPCKitten, Unavailable


class Cat(RPCKitten):
    """cat - for tests"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "clicat"
        WORKER_NAME = "Tom"
        API_KEY = "hunter2"
        FAULT = ""
        TOYS = ["ball"]

    async def init_servers(self, servers):
        if self.config.fault:
            raise ZeroDivisionError(self.config.fault)
        return servers

    async def api_count(self, request_info, to: int = 3, pause: float = 0.0):
        """Count."""
        for i in range(to):
            await asyncio.sleep(pause)
            yield {"n": i, "_format": "%(n)d!"}

    async def api_echo(self, request_info, value: str, times: int = 1):
        return {"value": value * times}

    async def api_stop(self, request_info):
        return "the author's own stop"

    async def api_fail(self, request_info, how: str):
        raise {
            "denied": PermissionError("not you"),
            "missing": NotFound("no such mouse"),
            "conflict": Conflict("two mice"),
            "busy": Unavailable("asleep"),
            "broken": ZeroDivisionError("oops"),
            "moved": self.RedirectException("https://example.org/"),
        }[how]

    async def api_login(self, request_info, password: str = ""):
        if password != "meow":
            raise self.NeedInfoException("Who are you?", ["password"])
        return "welcome"


if __name__ == "__main__":
    Cat.Main()
'''


class Shell:
    def __init__(self, folder):
        self.file = folder / "clicat.py"
        self.file.write_text(SOURCE)
        self.environ = {
            **os.environ,
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_DATA_HOME": str(folder / "data"),
            "KETTLINGARD_SOCKET": str(folder / "nobody.sock"),
            "PYTHONPATH": str(ROOT),
        }

    def begin(self, *words, **more):
        command = [sys.executable, str(self.file), *words]
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **more}
        return subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=self.environ, cwd="/", **more
        )

    def run(self, *words):
        with self.begin(*words) as process:
            out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    def ok(self, *words):
        code, out, err = self.run(*words)
        assert code == 0, err
        return out


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


@pytest.fixture
def cat(shell):
    port = pick_port()
    assert shell.ok("start", f"--worker-listen-port={port}") == (
        f"Tom is running at http://127.0.0.1:{port}\n"
    )
    yield shell
    assert shell.ok("stop") == "Tom has stopped\n"


def told(cat, code, *lines):
    """What each of these command lines says, which end with this code."""
    said = {}
    for words in lines:
        found, out, err = cat.run(*words.split())
        said[words] = out + err
        assert found == code, (words, out, err)
        assert "Traceback" not in out + err, words
    return said


def test_exit_code_0_done(cat):
    told(cat, 0, "count 1")


def test_exit_code_1_not_running_or_refused(cat):
    told(cat, 1, "--worker-name=Nobody ping", "--worker-name=Nobody count", "fail busy")


def test_exit_code_2_usage_or_unknown_method(cat):
    said = told(cat, 2, "", "count 1 2 3", "cuont", "--worker-nmae=x ping")
    assert "did you mean count?" in said["cuont"]
    assert "did you mean --worker-name?" in said["--worker-nmae=x ping"]


def test_exit_code_3_bad_value(cat):
    said = told(cat, 3, "count x", "--worker-listen-port=x ping", "--worker-config=/nowhere ping")
    said |= told(cat, 3, "fail missing", "fail conflict", "login")
    assert "invalid literal for int() with base 10: 'x'" in said["count x"]
    assert "no such mouse" in said["fail missing"]
    assert "Who are you?: give --password" in said["login"]


def test_exit_code_4_io(cat):
    told(cat, 4, "fail moved")


def test_exit_code_5_not_allowed(cat):
    told(cat, 5, "fail denied")


def test_exit_code_6_the_service_failed(cat):
    said = told(cat, 6, "fail broken")
    assert "ZeroDivisionError: oops" in said["fail broken"]


def test_results_are_printed_as_they_are_asked_for(cat):
    assert cat.ok("count", "2") == "0!\n1!\n"
    assert cat.ok("-j", "count", "2") == '{"n":0}\n{"n":1}\n'
    assert cat.ok("-r", "count", "2") == '{"n":0}{"n":1}'
    assert json.loads(cat.ok("echo", "a b", "--times=0x2")) == {"value": "a ba b"}
    assert json.loads(cat.ok("-tJ", "echo", "é")) == {"value": "é"}
    assert cat.ok("call", "stop") == "the author's own stop\n"
    assert cat.ok("login", "--password=meow") == "welcome\n"


def test_config_is_the_running_ones_and_masked(cat):
    assert "api_key = (secret)" in cat.ok("config").splitlines()
    settings = json.loads(cat.ok("config", "--json"))
    assert settings["api_key"] == "(secret)"
    code, out, err = cat.run("--worker-name=Nobody", "config")
    assert (code, "worker_name = Nobody" in out) == (0, True)
    assert "not running" in err


def test_starting_twice_is_no_error_and_restart_makes_a_new_one(cat):
    assert "was running already" in cat.ok("start")
    port = pick_port()
    assert cat.ok("restart", f"--worker-listen-port={port}").endswith(f":{port}\n")
    assert cat.ok("ping", "--tcp") == f"Pong via http://127.0.0.1:{port}!\n"


def test_a_start_that_fails_says_why_in_one_line_and_the_log_has_the_rest(shell, tmp_path):
    log = tmp_path / "state" / "clicat" / "Tom.log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        option = f"--worker-listen-port={where.rpartition(':')[2]}"
        why = (
            f"cannot listen on {where}: address already in use;"
            " stop what listens there, or use another port"
        )
        assert shell.run("start", option) == (
            1, "", f"clicat: cannot start clicat/Tom: {why}; see {log}\n",
        )  # fmt: skip
        assert why in log.read_text()
        assert "Traceback" not in log.read_text()
        assert shell.run(option, "serve") == (4, "", f"clicat: {why}\n")
    assert shell.run("start", "--fault=no mouse") == (
        1, "", f"clicat: cannot start clicat/Tom: ZeroDivisionError: no mouse; see {log}\n",
    )  # fmt: skip
    assert "raise ZeroDivisionError(self.config.fault)" in log.read_text()
    code, _, err = shell.run("serve", "--fault=no mouse")
    assert code == 6
    assert "raise ZeroDivisionError(self.config.fault)" in err
    assert shell.run("start", "--worker-listen-port=80000")[::2] == (
        3, "clicat: cannot set --worker-listen-port to '80000': it may not be above 65535\n",
    )  # fmt: skip


def test_settings_are_edited_from_the_command_line(cat):
    def after(*words):
        return json.loads(cat.ok("config", "--json", *words))

    assert after("toys", "--append=mouse")["toys"] == ["ball", "mouse"]
    assert after("--key=toys", "--remove=ball")["toys"] == ["mouse"]
    assert after("toys", "--pop=0")["toys"] == []
    assert after("--key=fault", "--val=none")["fault"] == "none"
    assert after("--reset=fault")["fault"] == ""
    after("toys", '--val=["yarn"]', "--save=y")
    assert cat.ok("stop", "--worker-config=y") == "Tom has stopped\n"
    assert cat.ok("--worker-config=y", "start").startswith("Tom is running")
    assert 'toys = ["yarn"]' in cat.ok("config").splitlines()
    assert cat.run("config", "toyz", "--append=x")[::2] == (
        3, "clicat: toyz is not a setting; did you mean toys?\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("short", "long"), [("-j", "--json"), ("-r", "--raw"), ("-t", "--tcp"), ("-J", "--json-rpc")]
)
def test_each_flag_has_a_long_name_that_means_the_same(cat, short, long):
    said = cat.ok(short, "echo", "a", "--times=2")
    assert said == cat.ok(long, "echo", "a", "--times=2")
    assert json.loads(said) == {"value": "aa"}


def test_a_secret_on_the_command_line_is_warned_of(shell):
    _, out, err = shell.run("--worker-secret=hush", "help")
    assert "others can read" in err
    assert "hush" not in out + err


def test_help_needs_no_service(shell):
    assert shell.ok("help") == shell.ok("--help")
    assert "count [TO] [PAUSE]" in shell.ok("help")
    assert shell.ok("count", "--help") == shell.ok("help", "count")
    assert shell.run("help", "cuont")[0] == 2


def test_ctrl_c_ends_quietly(cat):
    with cat.begin("count", "1000", "--pause=0.01") as process:
        assert process.stdout.readline() == "0!\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")


def test_a_reader_that_has_enough_is_no_error(cat):
    with cat.begin("count", "100000") as process:
        assert process.stdout.readline() == "0!\n"
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_a_person_is_asked_for_what_the_method_needs(cat):
    code, asked, out = answering(partial(cat.begin, "login"), ("password: ", b"meow\n"))
    assert asked.startswith("Who are you?\n")
    assert (code, out) == (0, "welcome\n")
