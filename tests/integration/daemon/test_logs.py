"""Logs under a real supervisor: rotated, renamed by others, limited; no line lost, doubled or torn."""

import gzip
import os
import random
import re
import signal

import pytest

from tests.helpers import wait_for as until
from tests.integration.daemon.kittens import definition

CHATTER = """
    import asyncio, os, itertools
    from kettlingar import RPCKitten

    class Chatter(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "chatter"

        async def init_servers(self, servers):
            if os.environ.get("CHATTER"):
                asyncio.get_running_loop().create_task(self.chat())
            return servers

        async def chat(self):
            for number in itertools.count():
                self.info("line %d of %d %s end", number, os.getpid(), "x" * 200)
                if number % 50 == 0:
                    await asyncio.sleep(0.001)

        async def api_say(self, request, count: int = 1, text: str = "said"):
            for number in range(count):
                self.info("%s %d", text, number)
"""
LINE = re.compile(r"line (\d+) of (\d+) x{200} end\Z")


@pytest.fixture
def chatter(supervisor, service_module):
    service_module("chatter", CHATTER)

    def start(more="", name="chatter"):
        one = supervisor({name: definition("chatter:Chatter", more)})
        one.ready(name)
        return one

    return start


def logs_of(one, name="chatter-1.log"):
    """The current one last."""
    folder = one.home / "log"
    return [*sorted(folder.glob(f"{name}.*")), folder / name]


def text_of(path):
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def test_rotation_under_load_loses_doubles_and_tears_no_line_while_workers_are_killed(chatter):
    rules = 'restart_max_delay = "10ms"\n[log]\nmax_size = "1M"\nkeep = 1000\nrate_limit = "off"\n'
    one = chatter(rules + '[environment]\nCHATTER = "1"\n')
    seed = 20261123
    chance = random.Random(seed)
    killed = []

    def enough():
        """A worker is killed now and then, at any moment of a rotation."""
        if chance.random() < 0.3 and len(killed) < 5 and len(logs_of(one)) > 2 * len(killed):
            for pid in one.pids("chatter"):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
        return len(killed) >= 5 and len(logs_of(one)) >= 12

    until(enough, 40)
    one.ctl("stop", "chatter")
    until(lambda: all(p.suffix == ".gz" for p in logs_of(one)[:-1]), 20)
    said, torn = {}, []
    text = "".join(text_of(path) for path in logs_of(one))
    lines = [line for line in text.split("\n") if " x" in line or "line" in line]
    for line in lines:
        found = LINE.search(line)
        if found is None:
            torn.append(line)
        else:
            said.setdefault(found[2], []).append(int(found[1]))
    assert not torn
    for pid, numbers in said.items():
        assert numbers == list(range(len(numbers))), f"pid {pid}"
    print(f"seed={seed} rotations={len(logs_of(one)) - 1} kills={len(killed)} lines={len(lines)}")


def test_sigusr1_has_all_write_to_the_files_that_have_the_names_now(chatter):
    one = chatter()
    folder = one.home / "log"
    names = ["chatter-1.log", "kettlingard.log"]
    for name in names:
        (folder / name).rename(folder / f"{name}.mine")
    os.kill(one.pid, signal.SIGUSR1)
    until(lambda: all((folder / name).exists() for name in names))
    one.ctl("call", "chatter", "say", "1", "after")
    until(lambda: "after 0" in (folder / "chatter-1.log").read_text())
    assert "after 0" not in (folder / "chatter-1.log.mine").read_text()
    one.ctl("restart", "chatter")
    assert "restart" in (folder / "kettlingard.log").read_text()


def test_a_log_that_somebody_removes_is_there_again(chatter):
    one = chatter()
    log = one.home / "log" / "chatter-1.log"
    log.unlink()
    until(log.exists)
    one.ctl("call", "chatter", "say")
    until(lambda: "said 0" in log.read_text())


def test_more_lines_than_the_limit_are_dropped_and_counted(chatter):
    one = chatter('[log]\nrate_limit = "100/2s"\n')
    log = one.home / "log" / "chatter-1.log"
    one.ctl("call", "chatter", "say", "5000")
    assert log.read_text().count("said") <= 100

    def counted():
        one.ctl("call", "chatter", "say")
        return re.search(r"log lines dropped count=(\d+)", log.read_text())

    assert int(until(counted, 10)[1]) >= 4900


def test_inherited_lines_go_where_the_supervisors_go(chatter):
    one = chatter('[log]\ntarget = "inherit"\n')
    one.ctl("call", "chatter", "say", "1", "inherited")
    until(lambda: "inherited 0" in one.log.read_text())
    assert not (one.home / "log" / "chatter-1.log").exists()


def test_level_and_rate_are_changed_in_what_runs(chatter):
    one = chatter('[log]\nrate_limit = "10/60s"\n')
    log = one.home / "log" / "chatter-1.log"
    [pid] = one.pids("chatter")
    one.ctl("call", "chatter", "say", "100", "before")
    assert log.read_text().count("before") <= 10
    one.define("chatter", definition("chatter:Chatter", '[log]\nrate_limit = "off"\n'))
    one.ctl("apply", "chatter")
    one.ctl("call", "chatter", "say", "100", "after")
    until(lambda: log.read_text().count("after") == 100)
    assert one.pids("chatter") == [pid]


def test_another_size_is_heeded_at_once(chatter):
    one = chatter()
    one.define("chatter", definition("chatter:Chatter", '[log]\nmax_size = "1K"\n'))
    one.ctl("apply", "chatter")
    one.ctl("call", "chatter", "say", "100", "word")
    until(lambda: len(logs_of(one)) > 1)


def test_logs_are_shown_from_a_time_on_and_from_a_level_on(steady):
    one = steady()
    assert "stopped" not in one.ctl("logs", "steady", "--level", "warning").stdout
    one.ctl("stop", "steady")
    assert "stopped" in one.ctl("logs", "steady", "--since", "1m").stdout
    assert one.ctl("logs", "steady", "--since", "2100-01-01").stdout == ""
    assert one.ctl("logs", "steady", "--level", "error").stdout == ""
    assert one.ctl("logs", "steady", "--since", "soon", check=False).returncode == 2
