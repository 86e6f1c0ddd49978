"""A fork into a control group."""

import os

import pytest

from kettlingar.worker.cloning import fork_into
from kettlingard.host import cgroup
from tests.helpers import wait_for as until

OURS = cgroup.find(f"a test of clones of {os.getpid()}")
PROCS = "cgroup.procs"


@pytest.mark.skipif(OURS.base is None, reason=OURS.missing)
def test_a_child_is_born_in_the_group():
    group = OURS.make("seer.1.mark", {})
    procs = os.open(group / PROCS, os.O_WRONLY)
    told, tell = os.pipe()
    pid = fork_into(procs)
    if pid == 0:
        with open("/proc/self/cgroup") as file:
            os.write(tell, file.read().encode())
        os._exit(0)
    os.close(tell)
    with open(told) as file:
        assert group.name in file.read()
    os.close(procs)
    assert os.waitpid(pid, 0)[1] == 0
    OURS.clear()
    assert until(OURS.close)


def test_what_is_no_group_has_no_child(tmp_path):
    with open(tmp_path / PROCS, "w") as file:
        assert fork_into(file.fileno()) == -1
