"""A supervisor that is killed while it starts something leaves nothing that its successor does not know."""

import os
import random
import shutil
import time

import pytest

from tests.helpers import alive, command_of, descendants, wait_for

ROUNDS = 50 if os.environ.get("KETTLINGAR_LONG") else 3

# Kills its supervisor at its own first moment, or when it is nearly ready: once each.
KITTEN = """
    import os
    from kettlingar import RPCKitten

    def kill_supervisor(when):
        try:
            os.close(os.open(f"{os.environ['FLAGS']}/{when}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getppid(), 9)

    kill_supervisor("import")

    class Killer(RPCKitten):
        async def init_servers(self, servers):
            kill_supervisor("init")
            return servers
"""
PROGRAM = 'test -e "$FLAGS/begun" || { touch "$FLAGS/begun"; kill -9 $PPID; }; exec sleep 600'
SERVICE = """
    [service]
    kitten = "killer:Killer"
    python_path = ["{src}"]
    [pool]
    zygote = ZYGOTE
    [environment]
    FLAGS = "{src}"
"""
OTHER = f"""
    [service]
    type = "simple"
    exec = ["/bin/sh", "-c", '''{PROGRAM}''']  # no zygote for it
    [environment]
    FLAGS = "{{src}}"
"""
QUIET_KITTEN = "from kettlingar import RPCKitten\nclass Quiet(RPCKitten): pass\n"
MANY = """
    [service]
    kitten = "quiet:Quiet"
    python_path = ["{src}"]
    [pool]
    instances = 3
    zygote = ZYGOTE
"""
SLEEP = """
    [service]
    type = "simple"
    exec = ["/bin/sleep", "600"]  # no zygote for it
    [pool]
    instances = 3
"""


def strangers(one):
    """Processes of its home that it does not know: neither children of it, nor adopted."""
    here = one._processes()  # first of all: what begins after this is no matter
    known = {one.pid, *descendants(one.pid)}
    for name in (path.stem for path in one.services.iterdir()):
        known |= {run["pid"] for run in one.status(name)["instances"]}
    return sorted(pid for pid in {*here} - known if alive(pid))


def nobody_is_unknown(one):
    try:
        wait_for(lambda: not strangers(one), within=10)
    except AssertionError as why:
        left = [f"{pid} {command_of(pid)}" for pid in strangers(one)]
        raise AssertionError(f"{left}\n{one.output()}") from why


def start_again(one):
    """Until it is not killed any more."""
    for _ in range(5):
        try:
            one.start()
        except AssertionError:
            assert one.process.wait(5) == -9
        else:
            return
    raise AssertionError("it is always killed")


@pytest.mark.parametrize("zygote", ["true", "false"])
@pytest.mark.parametrize("when", ["import", "init"])
def test_a_worker_whose_supervisor_dies_at_its_first_moment_is_known_or_ends(
    supervisor, service_module, when, zygote
):
    folder = service_module("killer", KITTEN)
    if when == "init":
        (folder / "import").touch()
    one = supervisor({"quiet": SLEEP})
    one.define("killer", SERVICE.replace("ZYGOTE", zygote))
    one.ctl("start", "killer", "--no-wait", check=False)
    assert one.process.wait(15) == -9
    start_again(one)
    [pid] = one.ready("killer")
    nobody_is_unknown(one)
    assert alive(pid)


def test_a_program_whose_supervisor_dies_at_its_first_moment_is_adopted(supervisor, service_module):
    service_module("killer", KITTEN)
    one = supervisor({"quiet": SLEEP})
    one.define("program", OTHER)
    one.ctl("start", "program", "--no-wait", check=False)
    assert one.process.wait(15) == -9
    [pid] = [pid for pid in one._processes() if "600" in command_of(pid)][-1:]
    one.start()
    assert one.ready("program")
    assert one.status("program")["restarts"] == 0
    nobody_is_unknown(one)
    assert alive(pid)


@pytest.mark.timeout(60 + 8 * ROUNDS)
def test_at_whatever_moment_of_a_start_it_is_killed_nobody_is_unknown(supervisor, service_module):
    """Forked ones, executed ones, and programs: three of each come up while it dies."""
    service_module("quiet", QUIET_KITTEN)
    names = {
        "forked": MANY.replace("ZYGOTE", "true"),
        "executed": MANY.replace("ZYGOTE", "false"),
        "program": SLEEP,
    }
    one = supervisor(names)
    moments = random.Random(5)  # a seed, for the same moments each time
    for _ in range(ROUNDS):
        one.ready("program")
        one.ctl("restart", *names, "--no-wait")
        time.sleep(moments.uniform(0, 0.8))
        one.crash()
        one.start()
        nobody_is_unknown(one)
    for name in names:
        assert len(one.ready(name, within=30)) == 3
    nobody_is_unknown(one)
    print(f"\n{ROUNDS} x kill -9 of the supervisor while 9 processes start: 0 orphans")


def test_a_run_that_cannot_be_noted_ends_with_its_supervisor(supervisor, service_module):
    """The state file cannot be written: serving goes on, but nobody could find it again."""
    service_module("quiet", QUIET_KITTEN)
    one = supervisor({"quiet": MANY.replace("ZYGOTE", "true")})
    one.ready("quiet")
    state = one.home / "run" / "state.json"
    state.unlink()
    state.mkdir()
    (state / "in-the-way").touch()
    one.ctl("restart", "quiet")
    pids = one.ready("quiet")
    one.crash()
    wait_for(lambda: not any(map(alive, pids)), within=15)
    shutil.rmtree(state)
    one.start()
    assert len(one.ready("quiet")) == 3
    nobody_is_unknown(one)
