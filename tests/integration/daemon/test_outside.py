"""What is around the daemon: systemd's protocols, and being the first process of a container."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.helpers import ROOT, alive, pick_port
from tests.helpers import wait_for as until
from tests.integration.daemon.test_programs import ACCEPTOR, program, script  # noqa: F401  fixture
from tests.supervision import CTL, UP


@pytest.fixture
def home():
    path = Path(tempfile.mkdtemp(prefix="kd-"))
    (path / "services.d").mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def define(home, name, text):
    (home / "services.d" / f"{name}.toml").write_text(text)


def up(home, *more, before=(), **options):
    with (home / "up.log").open("ab") as log:
        return subprocess.Popen(
            [*before, *UP, "up", "--home", str(home), *more],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **options,
        )


def test_an_essential_service_that_fails_ends_the_daemon_with_its_code(home):
    define(home, "side", program(["sleep", "600"]))
    text = program(["sh", "-c", "exit 23"], 'essential = true\nrestart = "no"\n')
    define(home, "main", text)
    process = up(home)
    assert process.wait(20) == 23
    assert "essential service failed service=main code=23" in (home / "up.log").read_text()


def test_exit_on_failure_makes_all_services_essential(home):
    define(home, "main", program(["sh", "-c", "kill -9 $$"], 'restart = "no"\n'))
    assert up(home, "--exit-on-failure").wait(20) == 128 + signal.SIGKILL


def test_systemd_hears_that_it_is_ready_how_it_is_that_it_lives_and_that_it_ends(home, tmp_path):
    define(home, "sleeper", program(["sleep", "600"]))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        process = up(home, env={**environ, "WATCHDOG_USEC": "200000"})
        first = systemd.recv(4096).decode()
        assert first.startswith("READY=1\nSTATUS=running: ")
        said = ""
        while said.count("WATCHDOG=1") < 4 or "1 of 1 services ready" not in said:
            said += systemd.recv(4096).decode() + "\n"
        process.send_signal(signal.SIGHUP)
        while "RELOADING=1\nMONOTONIC_USEC=" not in said or "READY=1" not in said:
            said += systemd.recv(4096).decode() + "\n"
        process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in said:
            said += systemd.recv(4096).decode() + "\n"
        assert process.wait(20) == 0


HANDER = """
import os, socket, sys
first = socket.socket(); first.bind(("127.0.0.1", int(sys.argv[1]))); first.listen()
second = socket.socket(socket.AF_UNIX); second.bind(sys.argv[2]); second.listen()
for number, sock in ((10, first), (11, second)):
    os.dup2(sock.fileno(), number)
for number in (3, 4):
    os.dup2(number + 7, number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
os.environ["LISTEN_FDNAMES"] = "web:control"
os.execvp(sys.argv[3], sys.argv[3:])
"""


def test_listeners_that_systemd_opened_are_taken_over(home, script):  # noqa: F811  the fixture
    port = pick_port()
    more = f'[[listen]]\nname = "front"\nstream = "127.0.0.1:{port}"\n'
    define(home, "acceptor", program(script("acceptor", ACCEPTOR), more))
    control = home / "systemd.sock"
    hander = [sys.executable, "-c", HANDER, str(port), str(control)]
    process = up(home, before=hander)
    until(lambda: "acceptor" in ctl(control, "status", "-o", "json").stdout)
    until(lambda: json.loads(ctl(control, "status", "-o", "json").stdout)["services"][0]["ready"])
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        assert sock.recv(100).decode().startswith("front ")
    process.terminate()
    assert process.wait(20) == 0
    assert control.exists(), "what systemd made is systemd's to remove"


KEEPER = """
import os, sys
names, numbers = sys.argv[1].split(":"), [int(n) for n in sys.argv[2].split(",")]
away = [os.dup2(n, 100 + i, inheritable=False) for i, n in enumerate(numbers)]
for number in numbers:
    os.close(number)
for number, fd in enumerate(away):
    os.dup2(fd, 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(away))}
os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Store:
    """systemd's side of FDSTORE=1: real descriptors, by their names."""

    def __init__(self, path):
        self.kept = {}
        self.environ = {**os.environ, "NOTIFY_SOCKET": str(path), "FDSTORE": "16"}
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._sock.settimeout(20)

    def hear(self, until_said):
        """Do what is asked for, up to a message that begins so."""
        text = ""
        while not text.startswith(until_said):
            data, fds, _, _ = socket.recv_fds(self._sock, 4096, 16)
            text = data.decode()
            words = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
            if "FDSTORE" in words:
                self.kept.setdefault(words["FDNAME"], []).extend(fds)
            if "FDSTOREREMOVE" in words:
                self._close(self.kept.pop(words["FDNAME"], []))

    def handing(self):
        """The command before `up` by which it is given what is kept, and those descriptors."""
        kept = [(name, fd) for name, fds in self.kept.items() for fd in fds[:1]]
        names, fds = ":".join(name for name, _ in kept), [fd for _, fd in kept]
        return [sys.executable, "-c", KEEPER, names, ",".join(map(str, fds))], fds

    @staticmethod
    def _close(fds):
        for fd in fds:
            os.close(fd)

    def close(self):
        for fds in self.kept.values():
            self._close(fds)
        self._sock.close()


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "notify")
    yield made
    made.close()


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        return sock.recv(100).decode()


def test_listeners_are_kept_by_systemd_while_nothing_of_us_is_there(home, script, store):  # noqa: F811
    first, second = pick_port(), pick_port()
    listen = '[[listen]]\nname = "{}"\nstream = "127.0.0.1:{}"\n'
    one = listen.format("front", first)
    define(home, "one", program(script("acceptor", ACCEPTOR), one))
    define(home, "two", program(script("acceptor", ACCEPTOR), listen.format("back", second)))
    process = up(home, env=store.environ)
    store.hear("READY=1")
    assert sorted(name.split(".")[0] for name in store.kept) == ["one", "two"]
    process.terminate()
    assert process.wait(20) == 0
    with socket.create_connection(("127.0.0.1", first), 5) as waiting:  # not refused
        (home / "services.d" / "two.toml").unlink()
        before, fds = store.handing()
        process = up(home, before=before, pass_fds=fds, env=store.environ)
        store.hear("READY=1")
        assert waiting.recv(100).decode().startswith("front ")
    assert [name.split(".")[0] for name in store.kept] == ["one"]
    with pytest.raises(ConnectionRefusedError):  # what nobody uses any more is given back
        greeting(second)
    subprocess.run([*CTL, "ctl", "--home", str(home), "stop", "one"], cwd=ROOT, check=True)
    store.hear("FDSTOREREMOVE=1")
    with pytest.raises(ConnectionRefusedError):
        greeting(first)
    process.terminate()
    assert process.wait(20) == 0


def ctl(control, *arguments):
    return subprocess.run(
        [*CTL, "ctl", "--socket", str(control), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=20,
        check=False,
    )


def can_unshare():
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="only root can make a pid namespace")
def test_as_the_first_process_of_a_container_it_reaps_and_obeys_signals(home):
    orphans = "for i in 1 2 3 4 5; do (sleep 0.1 & ) ; done; exec sleep 600"
    define(home, "maker", program(["sh", "-c", orphans]))
    process = up(home, before=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    until((home / "run" / "control.sock").exists, 10)
    [first] = until(lambda: children(process.pid))
    ours = ["kettlingard: custodian"]
    begun = [["sleep", "600"]]
    until(lambda: [c for pid in children(first) if (c := commands(pid))[:1] != ours] == begun, 10)
    os.kill(first, signal.SIGTERM)
    assert process.wait(20) == 0
    assert not alive(first)


def children(pid):
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def commands(pid):
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
