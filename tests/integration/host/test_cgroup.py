"""Control groups: real ones where this machine gives us a part of the tree, a copy of its files else."""

import os
import subprocess

import pytest

from kettlingard.host import cgroup
from kettlingard.host.cgroup import Cgroups
from kettlingard.host.spawn import SpawnRequest, spawn
from tests.helpers import wait_for as until

OURS = cgroup.find(f"a test of {os.getpid()}")
REAL = pytest.mark.skipif(OURS.base is None, reason=OURS.missing)
REQUEST = {"argv": ["sleep", "600"], "env": {"PATH": os.environ["PATH"]}, "cwd": "/"}


@pytest.fixture
def tree():
    yield OURS
    OURS.clear()
    assert until(OURS.close)


@pytest.fixture
def pretended(tmp_path):
    """A part of the tree that has all controllers, as far as its files can say."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return Cgroups(tmp_path, "home")


@REAL
def test_a_group_is_ended_as_a_whole_and_goes_when_it_is_empty(tree):
    group = tree.make("seer.1.mark", {})
    child = spawn(SpawnRequest(**REQUEST, cgroup=str(group)))
    detached = subprocess.run(
        ["sh", "-c", f"echo $$ > {group}/cgroup.procs; setsid sleep 600 >/dev/null 2>&1 & echo $!"],
        capture_output=True,
        check=True,
    )
    until(lambda: len(cgroup.members(group)) == 2)
    assert set(cgroup.kill(group)) == {child.pid, int(detached.stdout)}
    os.waitpid(child.pid, 0)
    child.close()
    assert until(lambda: cgroup.remove(group))


@REAL
def test_what_a_run_has_left_is_found_when_nobody_knows_the_run(tree):
    kept, left = tree.make("seer.1.known", {}), tree.make("seer.2.forgotten", {})
    spared = tree.make(f"seer.3.gone{cgroup.SPARED}", {})
    children = [spawn(SpawnRequest(**REQUEST, cgroup=str(one))) for one in (kept, left, spared)]
    assert tree.clear(["known"]) == [children[1].pid]
    os.waitpid(children[1].pid, 0)
    assert [cgroup.members(one) for one in (kept, spared)] == [[children[0].pid], [children[2].pid]]
    for child in children:
        child.send(9)
        child.close()
    for child in (children[0], children[2]):
        os.waitpid(child.pid, 0)


@REAL
def test_a_controller_that_is_not_there_is_named():
    lacks = OURS.lacks(["no-such"])
    assert "has no no-such controller" in lacks


def test_limits_are_written_where_the_controllers_have_been_switched_on(pretended):
    group = pretended.make("seer.1.mark", {"memory.max": "1024", "pids.max": "5"})
    assert (group / "memory.max").read_text() == "1024"
    assert (pretended.folder / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert pretended.lacks(["memory", "cpu"]) == ""


def test_without_a_part_of_the_tree_it_is_said_why():
    assert "no cgroup v2" in Cgroups(None, missing=cgroup.NO_V2).lacks(["memory"])
