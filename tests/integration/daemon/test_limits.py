"""[resources] by control groups, and who belongs to a run."""

import os

import pytest

from kettlingard.host import cgroup
from kettlingard.host.processors import processors
from tests.helpers import alive
from tests.helpers import wait_for as until
from tests.integration.daemon.kittens import definition

OURS = cgroup.find("a test")
REAL = pytest.mark.skipif(OURS.base is None, reason=OURS.missing)
NO_MEMORY = OURS.lacks(["memory"])


def group_of(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        return next(line for line in file if line.startswith("0::")).strip()


@REAL
@pytest.mark.parametrize("zygote", ["true", "false"])
def test_each_run_has_a_control_group_that_ends_with_it(steady, zygote):
    one = steady(f"[pool]\nzygote = {zygote}\n")
    [pid] = one.pids("steady")
    assert "/kettlingard." in group_of(pid)
    assert "/steady.1." in group_of(pid)
    child = int(one.ctl("call", "steady", "leave_a_child").stdout)
    assert group_of(child) == group_of(pid)
    one.ctl("stop", "steady")
    until(lambda: not alive(child))


@REAL
def test_a_run_keeps_its_control_group_when_its_supervisor_is_another_one(steady):
    one = steady()
    [pid] = one.pids("steady")
    child = int(one.ctl("call", "steady", "leave_a_child").stdout)
    one.crash()
    one.start()
    assert one.ready("steady") == [pid]
    one.ctl("daemon", "upgrade")
    one.crash()
    os.kill(pid, 9)
    one.start()
    assert one.ready("steady") != [pid]
    until(lambda: not alive(child))


@pytest.mark.skipif(not NO_MEMORY, reason="this machine can limit memory")
def test_a_limit_that_cannot_be_set_here_is_refused_with_the_reason(supervisor, modules):
    more = '[resources]\nmemory_max = "800M"\n'
    one = supervisor({"steady": definition("steady:Steady", more)})
    assert one.status("steady")["state"] == "invalid"
    said = one.ctl("status", "steady", check=False).stdout
    assert "resources.memory_max" in said
    assert NO_MEMORY.split(";")[0][:40] in said


@pytest.mark.skipif(bool(NO_MEMORY), reason=NO_MEMORY or "")
def test_a_run_that_takes_more_memory_than_it_may_is_ended_and_replaced(steady):
    one = steady('[resources]\nmemory_max = "100M"\ntasks_max = 64\n')
    group = cgroup.find(str(one.home / "run")).folder
    [mine] = [folder for folder in group.iterdir() if folder.is_dir()]
    assert (mine / "memory.max").read_text().strip() == str(100 << 20)
    assert (mine / "pids.max").read_text().strip() == "64"


def test_as_many_instances_as_processors(supervisor, modules):
    one = supervisor({"steady": definition("steady:Steady", '[pool]\ninstances = "auto"\n')})
    assert len(one.ready("steady")) == processors()
    assert f"instances = {processors()}" in one.ctl("show", "steady").stdout


@REAL
def test_groups_of_a_killed_supervisor_go_at_the_next_start_and_its_end(steady):
    one = steady()
    [pid] = one.pids("steady")
    folder = cgroup.find(str(one.home / "run")).folder
    [group] = [path for path in folder.iterdir() if path.is_dir()]
    one.crash()
    os.kill(pid, 9)
    until(lambda: not alive(pid))
    assert group.is_dir(), "nobody is there who would remove it"
    one.start()
    one.ready("steady")
    assert not group.exists()
    one.ctl("daemon", "shutdown")
    assert not folder.exists()
    one.process.wait()
