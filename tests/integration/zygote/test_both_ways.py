"""A worker is the same whether a zygote forked it or its interpreter was executed."""

import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.helpers import alive, children, command_of, wait_for

PROBE = """
import atexit
import json
import os
import random
import resource
import signal
import sys
import time

from kettlingar import RPCKitten


def word(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name + ":"))


mask = os.umask(0)
os.umask(mask)
AT_IMPORT = {
    "argv": sys.argv[1:],
    "colour": os.environ.get("COLOUR"),
    "names": sorted(os.environ),
    "folder": os.getcwd(),
    "hour": time.localtime(0).tm_hour,
    "zone": time.tzname[0],
    "mask": mask,
    "nice": os.nice(0),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "leads": os.getsid(0) == os.getpid(),
    "ids": [os.getuid(), os.getgid()],
    "no_new_privileges": word("NoNewPrivs"),
    "ignored": word("SigIgn"),
    "blocked": word("SigBlk"),
    "sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    "input": os.readlink("/proc/self/fd/0"),
    "name": __import__("__main__").__name__,
    "path": [one for one in sys.path if "zygote" not in one],
    "buffered": sys.stdout.write_through,
    "chance": random.random(),
}
if os.environ.get("END"):
    print("leaving", flush=True)
    exec(compile(os.environ["END"], "END", "exec"))  # text would leave a mark of KeyboardInterrupt
atexit.register(print, "goodbye")


class Probe(RPCKitten):
    class Configuration(RPCKitten.Configuration):
        APP_NAME = "probe"

    async def public_api_facts(self, request):
        opened = sorted(os.readlink("/proc/self/fd/" + fd) for fd in ("1", "2"))
        return {**AT_IMPORT, "pid": os.getpid(), "parent": os.getppid(), "opened": opened}

    async def public_api_preloaded(self, request):
        return __import__("shared").VALUE

    async def public_api_hide(self, request):
        # Leaves a process behind that is in no session of ours, and whose parent has gone.
        told, tell = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            os.write(tell, b"%d" % os.getpid())
            time.sleep(600)
        return int(os.read(told, 20))
"""

DEFINITION = """\
[service]
kitten = "probe:Probe"
python_path = ["{{src}}"]
listen = ["127.0.0.1:{{port}}"]
restart_delay = 0
{service}
[pool]
zygote = {zygote}
{pool}
[resources]
limit_nofile = 200
limit_core = 0
[environment]
{environment}
"""


@pytest.fixture
def forked(supervisor, service_module):
    """`forked(service, pool, environment)`: lines of its tables; started, perhaps not ready."""

    def start(service="", pool="", environment="", zygote="true"):
        folder = service_module("probe", PROBE)
        (folder / "shared.py").write_text("VALUE = 1\n")
        text = DEFINITION.format(service=service, pool=pool, environment=environment, zygote=zygote)
        return supervisor({"probe": text})

    return start


@pytest.fixture(params=["true", "false"], ids=["zygote", "exec"])
def probe(request, forked):
    """As `forked`, once each way."""
    return partial(forked, zygote=request.param)


def facts(one):
    return json.loads(one.get("/facts", Accept="application/json").body)


def zygotes(one):
    """The pids of its zygotes."""
    return [pid for pid in children(one.pid) if "zygote" in command_of(pid)]


def last_end(one):
    runs = one.status("probe")["instances"]
    ends = [run["last_end"]["text"] for run in runs if run["last_end"]]
    return ends[0] if ends else ""


def test_what_the_definition_says_holds_before_the_service_is_imported(probe, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    one = probe(
        f'working_directory = "{folder}"\numask = "0077"\nnice = 17\n',
        environment='COLOUR = "blue"\nTZ = "Asia/Tokyo"\n',
    )
    one.ready("probe")
    seen = facts(one)
    log = str(one.home / "log" / "probe-1.log")
    expected = {
        "argv": ["run"],
        "colour": "blue",
        "folder": str(folder),
        "hour": 9,
        "zone": "JST",
        "mask": 0o077,
        "nice": 17,
        "files": 200,
        "core": 0,
        "leads": True,
        "ids": [os.getuid(), os.getgid()],
        "no_new_privileges": "1",
        "blocked": "0000000000000000",
        "sigterm": True,
        "input": "/dev/null",
        "name": "__main__",
        "buffered": True,
        "parent": one.pid,
        "opened": [log, log],
    }
    assert {name: seen[name] for name in expected} == expected
    assert seen["path"].count(str(one.src)) == 1
    assert "KETTLINGARD_CHANNEL" not in seen["names"]
    standard = (1 << 31) - 1  # not the C library's own, which nobody can set
    assert int(seen["ignored"], 16) & standard == 0x1001000  # SIGPIPE and SIGXFSZ, as Python has it


@pytest.mark.parametrize(
    ("how", "end"),
    [
        ("os._exit(7)", "exit 7"),
        ("sys.exit(9)", "exit 9"),
        ("raise KeyboardInterrupt", "exit 130"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "SIGTERM"),
    ],
)
def test_the_end_of_a_worker_can_be_read(probe, how, end):
    one = probe('restart = "no"', environment=f'END = "{how}"')
    wait_for(lambda: one.status("probe")["state"] in ("failed", "inactive"), 15)
    assert end in last_end(one) + one.status("probe")["note"]
    assert "leaving" in (one.home / "log" / "probe-1.log").read_text()


def test_a_worker_that_is_stopped_does_what_it_registered_for_its_exit(probe):
    one = probe()
    [pid] = one.ready("probe")
    one.ctl("stop", "probe")
    assert not alive(pid)
    assert (one.home / "log" / "probe-1.log").read_text().splitlines()[-1] == "goodbye"


def test_no_two_workers_have_the_same_luck(probe):
    one = probe(pool="instances = 3\nstart_parallelism = 3\n")
    one.ready("probe")
    seen = wait_for(lambda: _of_each(one, 3), 10)
    assert len({one["chance"] for one in seen}) == 3


def _of_each(one, count):
    """What each worker says, once all of them have been met."""
    met = {said["pid"]: said for said in (facts(one) for _ in range(12))}
    return list(met.values()) if len(met) == count else None


def test_a_folder_that_is_not_there_is_named(probe):
    one = probe('working_directory = "/not/there"\nrestart = "no"')
    wait_for(lambda: one.status("probe")["state"] == "failed", 10)
    note = one.status("probe")["note"] + last_end(one)
    assert "directory" in note
    assert "/not/there" in one.output()


def test_a_killed_worker_is_replaced_by_one_of_the_same_kind(probe):
    one = probe()
    [first] = one.ready("probe")
    os.kill(first, signal.SIGKILL)
    seen = facts(one)  # held until it is ready
    assert seen["pid"] != first
    assert seen["parent"] == one.pid


def test_what_a_worker_hid_is_found_when_it_has_ended(probe):
    one = probe()
    one.ready("probe")
    hidden = int(one.get("/hide").body)
    assert alive(hidden)
    one.ctl("stop", "probe")
    wait_for(lambda: not alive(hidden))


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "LC_ALL"])
def test_what_an_interpreter_must_know_at_its_start_it_knows(probe, name):
    one = probe(environment=f'{name} = "{"C" if name == "LC_ALL" else 77}"')
    [pid] = one.ready("probe")
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert name in facts(one)["names"]
    assert zygotes(one) == []
    assert b"zygote" not in environment


def test_a_killed_zygote_harms_nothing_and_the_next_start_works(forked):
    one = forked()
    [worker] = one.ready("probe")
    [zygote] = zygotes(one)
    os.kill(zygote, signal.SIGKILL)
    wait_for(lambda: not alive(zygote))
    assert facts(one)["pid"] == worker
    for _ in range(2):  # the first start is an exec, while the next zygote warms up
        before = facts(one)["pid"]
        os.kill(before, signal.SIGKILL)
        assert facts(one)["pid"] != before
        wait_for(lambda: zygotes(one), 10)
    assert zygotes(one) != [zygote]


def test_a_preloaded_module_is_replaced_when_its_file_changes(forked):
    one = forked(pool='preload = ["shared"]')
    one.ready("probe")
    assert one.get("/preloaded").body == b"1"
    [zygote] = zygotes(one)
    (one.src / "shared.py").write_text("VALUE = 22\n")
    one.ctl("restart", "probe")
    assert one.get("/preloaded").body == b"22"
    one.ctl("restart", "probe")
    assert one.get("/preloaded").body == b"22"
    wait_for(lambda: zygotes(one) not in ([], [zygote]), 10)


def test_a_module_that_cannot_be_preloaded_does_not_keep_a_service_down(forked):
    one = forked(pool='preload = ["no_such_module"]')
    one.ready("probe")
    assert facts(one)["parent"] == one.pid
    assert "No module named 'no_such_module'" in one.output()


def test_zygotes_end_with_a_supervisor_that_is_killed(forked):
    one = forked()
    one.ready("probe")
    [zygote] = zygotes(one)
    one.crash()
    wait_for(lambda: not alive(zygote))
