"""`kettlingard dev`: a save is a new process, no request meets old code, and nothing stays behind."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.helpers import alive, http_get, pick_port, wait_for
from tests.supervision import CTL, UP

SOURCE = """
    import logging
    import os
    from kettlingar import RPCKitten

    class Gre(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "gre"
            TIMES = 1

        async def public_api_hello(self, request_info):
            print("printed")
            logging.getLogger(__name__).warning("warned")
            return "text/plain", "hello" * self.config.times

        async def public_api_pid(self, request_info):
            return "text/plain", str(os.getpid())

        async def public_api_shell(self, request_info):
            return "text/plain", os.environ.get("OF_MY_SHELL", "") + " " + os.getcwd()

        async def public_api_die(self, request_info):
            os._exit(3)
"""


class Dev:
    """A running `kettlingard dev`, and what it has printed so far."""

    def __init__(self, folder, state, *words, kitten="gre:Gre"):
        self.folder, self.state, self.port, self.said = folder, state, pick_port(), ""
        self.process = subprocess.Popen(
            [*UP, "dev", kitten, "--port", str(self.port), *words],
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": str(state), "OF_MY_SHELL": "yes"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.said += line

    def says(self, text, times=1):
        wait_for(lambda: self.said.count(text) >= times, 20, f"{text!r} in\n{self.said}")

    def get(self, path):
        return http_get(f"http://127.0.0.1:{self.port}{path}", timeout=20)

    def save(self, old, new):
        """As editors do: another file, renamed."""
        path = self.folder / "gre.py"
        beside = path.with_suffix(".swp")
        beside.write_text(path.read_text().replace(old, new))
        beside.rename(path)

    def end(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self._reader.join()
        self.process.stdout.close()
        return code


@pytest.fixture
def start(service_module, tmp_path):
    folder = service_module("gre", SOURCE)
    started = []

    def begin(*words, **more):
        started.append(Dev(folder, tmp_path / "state", *words, **more))
        return started[-1]

    yield begin
    codes = [one.end() for one in started]
    assert set(codes) <= {0, 1, -signal.SIGKILL}  # ended, refused, killed


@pytest.fixture
def dev(start):
    one = start()
    one.says("dev: ready")
    return one


def test_what_it_prints_is_shown_and_no_request_after_a_save_meets_the_old_code(dev):
    assert dev.get("/hello").body == b"hello"
    dev.says("\nprinted\n")
    dev.says(" W gre warned\n")
    dev.save('"hello"', '"HELLO"')  # within the same second, and as long as before
    dev.says("dev: gre.py saved")
    assert dev.get("/hello").body == b"HELLO"
    dev.says("dev: ready", 2)


def test_requests_wait_while_a_source_is_broken_and_the_reason_is_shown_once(dev):
    dev.save("import logging", "import logging +")
    dev.says("SyntaxError: invalid syntax (import logging +)")
    dev.says("gre.py:2; waiting for the next save")
    threading.Timer(0.3, dev.save, ("import logging +", "import logging")).start()
    assert dev.get("/hello").body == b"hello"
    assert dev.said.count("cannot start: import failed") == 1
    assert "importlib" not in dev.said


def test_what_ends_by_itself_waits_for_the_next_save(dev):
    assert dev.get("/die").status == 503
    dev.says("exit 3")
    dev.says("waiting for the next save")
    dev.save("os._exit(3)", "pass")
    dev.says("dev: ready", 2)
    assert dev.get("/die").status == 200


def test_sources_of_folders_that_are_new_are_watched_and_hidden_ones_are_not(dev):
    (dev.folder / "more").mkdir()
    (dev.folder / "more" / "new.py").write_text("")
    dev.says("more/new.py saved")
    dev.says("dev: ready", 2)
    (dev.folder / ".git").mkdir()
    (dev.folder / ".git" / "hook.py").write_text("")
    (dev.folder / "data.json").write_text("{}")
    dev.save("hello", "bye")
    dev.says("gre.py saved")
    assert "hook.py" not in dev.said
    assert "data.json" not in dev.said


def test_it_has_the_variables_of_the_shell_and_the_settings_that_are_said(start):
    dev = start("--times=3")
    dev.says("dev: ready")
    assert dev.get("/hello").body == b"hellohellohello"
    assert dev.get("/shell").body.decode() == f"yes {dev.folder}"


def test_the_end_of_the_terminal_ends_it(dev):
    pid = int(dev.get("/pid").body)
    assert dev.end(signal.SIGHUP) == 0
    assert not alive(pid)


def test_the_next_one_ends_what_a_killed_one_has_left(dev, start):
    pid = int(dev.get("/pid").body)
    dev.end(signal.SIGKILL)
    assert alive(pid)
    start().says("dev: ready")
    assert not alive(pid)


def test_ctl_reaches_it_and_a_stop_is_not_for_the_next_time(dev, start):
    home = next((dev.state / "kettlingard" / "dev").iterdir())
    ctl = [*CTL, "ctl", "--home", str(home)]
    assert f"more of it: kettlingar ctl --home {home} status" in dev.said
    subprocess.run([*ctl, "stop", "gre"], check=True, capture_output=True)
    assert dev.end() == 0
    start().says("dev: ready")


def test_it_goes_on_watching_after_an_upgrade(dev):
    home = next((dev.state / "kettlingard" / "dev").iterdir())
    subprocess.run(
        [*CTL, "ctl", "--home", str(home), "daemon", "upgrade"], check=True, capture_output=True
    )
    dev.save("hello", "bye")
    dev.says("dev: gre.py saved")
    dev.says("dev: ready", 2)
    assert dev.get("/bye").body == b"bye"


def test_what_cannot_begin_says_why_and_changes_nothing(dev, service_module, start):
    second = start()
    assert second.process.wait(20) == 1
    second.says(f"gre of {Path(dev.folder)} runs already (pid {dev.process.pid})")
    service_module("other", SOURCE.replace("class Gre", "class Other"))
    third = start("--port", str(dev.port), kitten="other:Other")
    assert third.process.wait(20) == 1
    third.says(f"127.0.0.1:{dev.port}")
    third.says("--port N says another one")
    assert dev.get("/hello").status == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gre"], "'gre' is not MODULE:CLASS"),
        (["gre:Gre", "nonsense"], "'nonsense' is not --SETTING=VALUE"),
    ],
)
def test_what_cannot_be_understood_is_usage(words, said):
    done = subprocess.run([*UP, "dev", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
