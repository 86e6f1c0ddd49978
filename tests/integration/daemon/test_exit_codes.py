"""Each exit code of `kettlingar ctl` and of `kettlingard`, by name; a service's own: test_service_cli."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.integration.daemon.conftest import shared
from tests.integration.daemon.kittens import STEADY
from tests.integration.daemon.test_access import as_nobody, needs_root
from tests.supervision import CTL, UP

SLEEP = '[service]\ntype = "simple"\nexec = ["sleep", "600"]\n'
KITTEN = '[service]\nkitten = "steady:Steady"\npython_path = ["{src}"]\n'
BROKEN = f"{SLEEP}autorestart = true\n"
FAILING = KITTEN.replace("steady:", "nowhere:")


@pytest.fixture(scope="module")
def one(tmp_path_factory, nursery):
    src = tmp_path_factory.mktemp("src")
    (src / "steady.py").write_text("\n".join(line[4:] for line in STEADY.splitlines()))
    texts = {"steady": KITTEN, "off": SLEEP + "enabled = false\n", "wrong": BROKEN, "bad": FAILING}
    with shared(texts, src, nursery) as supervisor:
        supervisor.ready("steady")
        yield supervisor


def code(one, *words):
    return one.ctl(*words, check=False).returncode


def test_ctl_0_done(one):
    assert code(one, "status") == 0
    assert code(one, "status", "steady") == 0
    assert code(one, "wait", "steady", "--for", "ready") == 0
    assert code(one, "wait", "off", "--for", "stopped") == 0
    assert code(one, "call", "steady", "word") == 0


def test_ctl_1_failed(one):
    assert code(one, "start", "bad") == 1
    assert code(one, "kill", "off") == 1
    one.ctl("start", "off")
    one.define("needing", f'{SLEEP}[dependencies]\nrequires = ["off"]\n')
    one.ctl("apply", "needing")
    assert code(one, "stop", "off") == 1
    one.ctl("stop", "off", "--with-dependents")


def test_ctl_1_the_called_method_failed(one):
    (one.src / "broken.py").write_text(
        "from kettlingar import RPCKitten\n"
        "class Broken(RPCKitten):\n"
        "    async def api_fall(self, request_info):\n"
        "        raise RuntimeError('it is broken')\n"
    )
    one.define("broken", KITTEN.replace("steady:Steady", "broken:Broken"))
    one.ctl("apply", "broken")
    done = one.ctl("call", "broken", "fall", check=False)
    assert (done.returncode, done.stderr) == (1, "RuntimeError: it is broken\n")
    one.ctl("stop", "broken")


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["status", "--no-such-option"],
        ["restart"],
        ["scale", "steady"],
        ["wait"],
        ["call", "steady", "slow", "--seconds=many"],
        ["kill", "steady", "-s", "SIGNOTHING"],
        ["deps", "--critical-chain"],
    ],
    ids=" ".join,
)
def test_ctl_2_usage(one, words):
    assert code(one, *words) == 2


def test_ctl_3_not_ready_or_stopped(one):
    assert code(one, "status", "off") == 3
    assert code(one, "status", "steady", "off") == 3
    assert code(one, "wait", "bad", "--timeout", "2") == 3
    assert code(one, "methods", "off") == 3


def test_ctl_3_something_has_failed(one):
    until_failed = one.ctl("wait", "bad", "--timeout", "2", check=False)
    assert until_failed.returncode == 3
    assert code(one, "status", "--failed") == 3


@pytest.mark.parametrize(
    "words",
    [
        ["status", "nobody"],
        ["restart", "steady/9"],
        ["methods", "steady", "meow"],
        ["call", "steady", "meow"],
        ["logs", "nobody"],
        ["show", "nobody"],
    ],
    ids=" ".join,
)
def test_ctl_4_no_such_service_instance_or_method(one, words):
    assert code(one, *words) == 4


@needs_root
def test_ctl_5_denied(one):
    def ask(_control):
        from kettlingar.cli.ctl import main

        return main(["--home", str(one.home), "restart", "steady"])

    assert as_nobody(one, ask) == 5


def test_ctl_6_invalid_definition(one):
    assert code(one, "status", "wrong") == 6
    assert code(one, "plan") == 6
    assert code(one, "start", "wrong") == 6
    assert code(one, "apply", "wrong") == 6


def test_ctl_7_daemon_not_reachable(tmp_path):
    done = subprocess.run(
        [*CTL, "ctl", "--home", str(tmp_path), "status"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 7
    assert str(tmp_path) in done.stderr


def test_ctl_8_timed_out(one):
    assert code(one, "call", "steady", "slow", "5", "--timeout", "100ms") == 8
    assert code(one, "wait", "off", "--for", "ready", "--timeout", "100ms") in (3, 8)
    assert code(one, "wait", "steady", "--for", "stopped", "--timeout", "100ms") == 8


def test_check_0_and_6(tmp_path):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(SLEEP)
    bad.write_text(BROKEN)
    for file, expected in ((good, 0), (bad, 6)):
        done = subprocess.run([*UP, "check", str(file)], capture_output=True, check=False, cwd=ROOT)
        assert done.returncode == expected


# --- up ---


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory(prefix="kd-") as folder:
        (Path(folder) / "services.d").mkdir()
        yield Path(folder)


def up(home, *more):
    return subprocess.Popen(
        [*UP, "up", "--home", str(home), *more],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
    )  # fmt: skip


def ended(process):
    said, _ = process.communicate(timeout=20)
    return process.returncode, said


def begun(home):
    process = up(home)
    for line in process.stdout:
        if line.startswith("try:"):
            return process
    raise AssertionError("it ended")


def test_up_0_drained(home):
    process = begun(home)
    process.terminate()
    assert ended(process)[0] == 0


def test_up_1_another_one_is_running(home):
    first = begun(home)
    number, said = ended(up(home))
    assert number == 1
    assert f"pid {first.pid}" in said
    first.terminate()
    assert ended(first)[0] == 0


def test_up_1_could_not_start(home):
    (home / "run").write_text("a file where its folder is to be")
    number, said = ended(up(home))
    assert number == 1
    assert str(home / "run") in said


def test_up_2_usage(home):
    assert ended(up(home, "--no-such-option"))[0] == 2


def test_up_6_bad_settings(home):
    (home / "kettlingard.toml").write_text("[daemon]\nno_such_key = 1\n")
    assert ended(up(home))[0] == 6


def test_up_ends_with_the_code_of_the_essential_service_that_failed(home):
    text = '[service]\ntype = "simple"\nexec = ["sh", "-c", "exit 23"]\nessential = true\n'
    (home / "services.d" / "main.toml").write_text(f'{text}restart = "no"\n')
    assert ended(up(home))[0] == 23
