"""Programs that are no kittens: started, watched, stopped and logged as any other service."""

import json
import os
import signal
import socket
import sys
import textwrap
import time

import pytest

from tests.helpers import alive
from tests.helpers import wait_for as until

NOTIFIER = """
    import os, signal, socket, sys, time
    def say(text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
    def end(*_):
        print("asked to end", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    while not os.path.exists("go"):
        time.sleep(0.02)
    say("READY=1\\nSTATUS=counting cats")
    while not os.path.exists("hang"):
        say("WATCHDOG=1")
        time.sleep(0.05)
    while True:
        time.sleep(1)
"""
ACCEPTOR = """
    import os, socket, sys
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    assert os.environ["LISTEN_FDS"] == "1"
    listener = socket.socket(fileno=3)
    while True:
        one, _ = listener.accept()
        one.sendall(f"{os.environ['LISTEN_FDNAMES']} {os.getpid()}".encode())
        one.close()
"""


def program(command, more="", kind="simple"):
    return f'[service]\ntype = "{kind}"\nexec = {json.dumps(command)}\n{more}'


@pytest.fixture
def script(tmp_path):
    def write(name, source):
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(source))
        return [sys.executable, str(path)]

    return write


def test_a_simple_program_is_ready_when_it_runs_and_comes_back_when_it_ends(supervisor):
    one = supervisor({"sleeper": program(["sleep", "600"])})
    [first] = one.ready("sleeper")
    os.kill(first, signal.SIGKILL)
    until(lambda: one.pids("sleeper") not in ([], [first]))
    [second] = one.ready("sleeper")
    began = time.monotonic()
    one.ctl("stop", "sleeper")
    assert time.monotonic() - began < 3, "its signal comes at once"
    assert not alive(second)


def test_a_hundred_sleepers_come_up_quickly_and_go(supervisor):
    began = time.monotonic()
    one = supervisor({f"s{n}": program(["sleep", "600"]) for n in range(100)})

    def all_ready():
        found = json.loads(one.ctl("status", "-o", "json").stdout)["services"]
        return all(service["state"] == "ready" for service in found)

    until(all_ready, 20)
    print(f"100 sleepers ready after {time.monotonic() - began:.1f} s")


def test_a_notifying_program_is_ready_when_it_says_so_and_watched_when_it_asks_for_it(
    supervisor, script
):
    text = program(script("notifier", NOTIFIER), 'watchdog = "300ms"\n', kind="notify")
    one = supervisor({"cats": text})
    until(lambda: "starting pid" in one.ctl("status", "cats", check=False).stdout)
    assert one.status("cats")["state"] == "starting"
    state = one.home / "state" / "cats"
    until(state.exists)
    (state / "go").touch()
    [first] = one.ready("cats")
    assert "counting cats" in json.dumps(one.status("cats"))
    (state / "hang").touch()
    until(lambda: "watchdog" in json.dumps(one.status("cats")), 10)
    (state / "hang").unlink()
    until(lambda: one.pids("cats") not in ([], [first]), 10)
    one.ready("cats")
    one.ctl("stop", "cats")
    assert "asked to end" in (one.home / "log" / "cats-1.log").read_text()


SLOW = """
    import os, socket, time
    def say(text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
    say("EXTEND_TIMEOUT_USEC=20000000")
    time.sleep(2.5)
    say("READY=1")
    time.sleep(600)
"""


def test_a_notifying_program_that_asks_for_more_time_to_start_has_it(supervisor, script):
    more = 'timeout_start = "2s"\nrestart = "no"\n'
    one = supervisor({"slow": program(script("slow", SLOW), more, kind="notify")})
    one.ready("slow")
    assert one.status("slow")["restarts"] == 0


def test_nobody_else_can_say_that_a_program_is_ready(supervisor):
    one = supervisor({"mute": program(["sleep", "600"], kind="notify")})
    until(lambda: "starting pid" in one.ctl("status", "mute", check=False).stdout)
    [path] = (one.home / "run" / "programs").glob("*.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"READY=1", str(path))
    time.sleep(0.2)  # nothing is to happen
    assert one.status("mute")["state"] == "starting"


def test_listeners_are_given_on_and_nobody_accepts_for_the_program(supervisor, script):
    more = '[[listen]]\nname = "front"\nstream = "127.0.0.1:{port}"\n'
    one = supervisor({"acceptor": program(script("acceptor", ACCEPTOR), more)})
    [pid] = one.ready("acceptor")

    def asked():
        with socket.create_connection(("127.0.0.1", one.port), 5) as sock:
            return sock.recv(100).decode()

    assert asked() == f"front {pid}"
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    name, other = asked().split()  # in the kernel's backlog until it is back
    assert (name, int(other) != pid) == ("front", True)


def test_lines_of_a_program_are_logged_whole_and_limited(supervisor):
    text = program(["sh", "-c", "seq 1 5000; printf 'no end'; sleep 600"], "[log]\n")
    one = supervisor(
        {
            "loud": text + 'rate_limit = "off"\n',
            "less": text + 'rate_limit = "100/60s"\n',
            "structured": text + 'format = "json"\nrate_limit = "off"\n',
        }
    )
    folder = one.home / "log"
    lines = [str(n) for n in range(1, 5001)]
    logs = [folder / f"{name}-1.log" for name in ("loud", "less", "structured")]
    until(lambda: all(path.exists() for path in logs))
    until(lambda: (folder / "loud-1.log").read_text().split() == lines)
    until(lambda: (folder / "less-1.log").read_text().split() == lines[:100])
    found = until(
        lambda: len(text := (folder / "structured-1.log").read_text().split("\n")) > 5000 and text
    )
    record = json.loads(found[4999])
    assert (record["message"], record["service"], record["logger"]) == ("5000", "structured", "sh")
    one.ctl("stop", "loud")
    assert (folder / "loud-1.log").read_text().endswith("no end\n")


def test_no_line_is_lost_of_a_program_that_ends_at_once(supervisor):
    text = program(["sh", "-c", "echo line of $$; exit 3"], "restart_delay = 0\n")
    one = supervisor({"brief": text + "start_limit_burst = 10\n"})
    until(lambda: one.status("brief")["state"] == "failed", 20)
    lines = (one.home / "log" / "brief-1.log").read_text().splitlines()
    assert len(set(lines)) == 11
    assert all(line.startswith("line of ") for line in lines)


def test_a_program_that_is_not_there_says_so(supervisor):
    one = supervisor({"gone": program(["/no/such/program"], 'restart = "no"\n')})
    until(lambda: "No such file" in json.dumps(one.status("gone")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of others")
def test_a_program_runs_as_its_user(supervisor):
    text = program(["sh", "-c", "id; pwd; sleep 600"], 'user = "nobody"\ngroup = "daemon"\n')
    one = supervisor({"who": text})
    one.home.chmod(0o755)
    one.ctl("restart", "who")
    one.ready("who")
    log = one.home / "log" / "who-1.log"
    until(lambda: "/state/who" in log.read_text())
    assert "(nobody) gid=1(daemon)" in log.read_text()


def test_a_program_goes_on_while_its_supervisor_becomes_another_version(supervisor):
    one = supervisor({"ticker": program(["sh", "-c", "while echo tick; do sleep 0.1; done"])})
    [pid] = one.ready("ticker")
    one.ctl("daemon", "upgrade")
    assert one.ready("ticker") == [pid]
    log = one.home / "log" / "ticker-1.log"
    before = log.read_text().count("tick")
    until(lambda: log.read_text().count("tick") > before + 2)


def test_a_program_goes_on_under_the_next_supervisor_and_gives_its_listener_back(
    supervisor, script
):
    more = '[[listen]]\nname = "front"\nstream = "127.0.0.1:{port}"\n'
    one = supervisor(
        {
            "ticker": program(["sh", "-c", "while echo tick; do sleep 0.1; done"]),
            "acceptor": program(script("acceptor", ACCEPTOR), more),
        }
    )
    before = [one.ready("ticker"), one.ready("acceptor")]
    one.crash()
    one.start()
    assert [one.ready("ticker"), one.ready("acceptor")] == before
    log = one.home / "log" / "ticker-1.log"
    lines = log.read_text().count("tick")
    until(lambda: log.read_text().count("tick") > lines + 2)
    [pid] = before[1]
    with socket.create_connection(("127.0.0.1", one.port), 5) as sock:
        assert sock.recv(100).decode() == f"front {pid}"
    assert "acceptor" not in one.ctl("status", "--failed", check=False).stdout
    os.kill(pid, signal.SIGKILL)
    until(lambda: one.pids("acceptor") not in ([], [pid]), 10)
