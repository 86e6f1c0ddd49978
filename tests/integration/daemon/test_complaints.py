"""What users of other supervisors complain about, one test each: here it is not so.

One supervisor for all of them, since each complaint is about one service, and about the others.
"""

import json
import os
import signal
import threading
import time
from contextlib import closing, suppress

import pytest

from kettlingar.sync import connect_control
from tests.helpers import alive
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import shared

KITTENS = """
    import asyncio, os
    from kettlingar import RPCKitten

    class Slow(RPCKitten):
        async def init_servers(self, servers):
            await asyncio.sleep(1)
            return servers

    class Quick(RPCKitten):
        pass
"""


def program(*command, more=""):
    return f'[service]\ntype = "simple"\nexec = {json.dumps(command)}\n{more}'


def kitten(name, more=""):
    return f'[service]\nkitten = "shop:{name}"\npython_path = ["{{src}}"]\n{more}'


SLEEP = program("sleep", "600", more="[update]\nmonitor = 0\n")
OFF = "enabled = false\n"


@pytest.fixture(scope="module")
def one(tmp_path_factory, nursery):
    src = tmp_path_factory.mktemp("src")
    (src / "shop.py").write_text("\n".join(line[4:] for line in KITTENS.splitlines()))
    texts = {
        "quiet": SLEEP,
        "slow": kitten("Slow", OFF),
        "needs-slow": program("sleep", "600", more=f'{OFF}[dependencies]\nrequires = ["slow"]\n'),
    }
    with shared(texts, src, nursery) as supervisor:
        supervisor.ready("quiet")
        yield supervisor


def defined(one, name, text):
    one.define(name, text)
    one.ctl("apply", name, "--no-wait")
    return name


def moments(one, name):
    """When its runs came into each state."""
    lines = one.ctl("events", name, "-o", "json").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    return [(record["to"], record["time"]) for record in records]


def test_no_dependencies(one):
    one.ctl("start", "needs-slow")
    slow = dict(moments(one, "slow"))
    began = dict(moments(one, "needs-slow"))
    assert slow["ready"] <= began["spawning"]
    refused = one.ctl("stop", "slow", check=False)
    assert refused.returncode == 1
    assert "needed by needs-slow" in refused.stderr
    one.ctl("stop", "slow", "--with-dependents")
    assert one.status("needs-slow")["state"] == one.status("slow")["state"] == "disabled"


def test_running_that_only_means_not_dead_yet(one):
    one.ctl("start", "slow", "--no-wait")
    until(lambda: one.status("slow")["instances"][0]["pid"], 5)
    assert one.status("slow")["state"] == "starting"
    assert one.ctl("status", "slow", check=False).returncode == 3
    one.ready("slow")
    assert one.ctl("status", "slow").returncode == 0
    one.ctl("stop", "slow")


def test_restart_storms(one):
    limits = 'start_limit_burst = 3\nrestart_delay = "10ms"\n'
    defined(one, "storm", program("false", more=limits))
    until(lambda: one.status("storm")["state"] == "failed", 10)
    spawned = [what for what, _ in moments(one, "storm") if what == "spawning"]
    assert len(spawned) == 4  # the first, and three more
    assert one.ctl("status", "--failed", check=False).returncode == 3
    one.ctl("stop", "storm")


def test_spawn_error_without_a_reason(one):
    defined(one, "nowhere", program("/no/such/program"))
    reason = until(lambda: one.status("nowhere")["instances"][0]["reason"], 5)
    assert "No such file or directory /no/such/program" in reason
    defined(one, "unwritten", kitten("Missing"))
    until(lambda: one.status("unwritten")["state"] == "failed", 15)
    said = one.ctl("status", "unwritten", check=False)
    assert said.returncode == 3
    assert "Missing" in said.stdout
    assert "shop" in said.stdout
    one.ctl("stop", "nowhere", "unwritten")


def test_reread_update_reload_confusion(one):
    for verb, better in {"reread": "plan", "update": "apply"}.items():
        said = one.ctl(verb, check=False)
        assert said.returncode == 2
        assert better in said.stderr
    one.define("quiet", SLEEP.replace("600", "601"))
    said = one.ctl("restart", "quiet").stdout
    assert "definition changed on disk: service.exec" in said
    [pid] = one.pids("quiet")
    with open(f"/proc/{pid}/cmdline", "rb") as argv:
        assert argv.read().split(b"\0")[1] == b"601"


def test_applies_that_restart_too_much(one):
    names = [defined(one, f"shop{n}", SLEEP) for n in range(5)]
    before = [one.ready(name) for name in names]
    one.define("shop2", f"# nothing but a comment\n{SLEEP}")
    assert one.ctl("plan").stdout.startswith("nothing to do")
    one.define("shop2", SLEEP.replace("600", "602"))
    one.ctl("apply")
    after = [one.pids(name) for name in names]
    assert [n for n in range(5) if before[n] != after[n]] == [2]
    one.ctl("stop", *names)


def test_stale_environments(one):
    file = one.home / "shop.env"
    file.write_text("FEATURE=old\nGONE=1\n")
    more = f'environment_file = ["{file}"]\n'
    defined(one, "modern", program("sleep", "600", more=more))
    one.ready("modern")
    file.write_text("FEATURE=new\n")
    one.ctl("restart", "modern")
    [pid] = one.pids("modern")
    with open(f"/proc/{pid}/environ", "rb") as environ:
        found = environ.read().split(b"\0")
    assert b"FEATURE=new" in found
    assert not any(each.startswith((b"GONE=", b"VIRTUAL_ENV=", b"PYTEST")) for each in found)
    one.ctl("stop", "modern")


def test_lost_log_lines(one):
    bursts = "for n in 0 1 2 3 4 5 6 7 8 9; do seq ${n}0001 ${n}2000; sleep 0.05; done"
    more = '[log]\nmax_size = "16K"\nkeep = 100\ncompress = false\nrate_limit = "off"\n'
    defined(one, "chatter", program("sh", "-c", bursts, more=f'restart = "no"\n{more}'))

    def lines():
        found = []
        with suppress(FileNotFoundError):  # it is just being renamed
            for path in (one.home / "log").glob("chatter-1.log*"):
                found += path.read_text().split()
        return sorted(map(int, found))

    wanted = [10000 * n + k for n in range(10) for k in range(1, 2001)]
    until(lambda: lines() == wanted, 20, "none lost, doubled or torn")
    assert len(list((one.home / "log").glob("chatter-1.log*"))) > 1


def test_orphaned_grandchildren(one):
    twice = "(setsid sleep 987 &) ; exec sleep 600"
    defined(one, "parent", program("sh", "-c", twice))
    [pid] = one.ready("parent")

    def is_it(pid):
        return _argument(pid) == "987"

    def grandchild():
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_it(pid)]

    [left] = until(grandchild, 5)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(left), 5, "the grandchild is gone")
    one.ctl("stop", "parent")
    until(lambda: not grandchild(), 5, "and its successor's")


def _argument(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as argv:
            return argv.read().rstrip(b"\0").rpartition(b"\0")[2].decode(errors="replace")
    except OSError:
        return ""


def test_commands_refused_because_another_one_runs(one):
    said = []

    def start():
        with closing(connect_control(one.socket, timeout=30)) as control:
            said.extend(control.stream("start", ["slow"]))

    caller = threading.Thread(target=start)
    caller.start()
    until(lambda: one.status("slow")["state"] == "starting", 5)
    began = time.monotonic()
    one.ctl("restart", "quiet")  # another service: side by side
    assert one.status("slow")["state"] == "starting" or time.monotonic() - began > 0.9
    one.ctl("stop", "slow")  # the same one: the newer intent counts
    caller.join()
    assert said[-1]["ok"] is False
    assert f"slow: superseded by stop (uid {os.getuid()})" in [item.get("text") for item in said]
    assert one.pids("slow") == []
