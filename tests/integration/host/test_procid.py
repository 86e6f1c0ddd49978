"""Who a real process is, and whom it left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from kettlingard.host import procid
from kettlingard.host.procid import ProcId
from kettlingard.host.spawn import Child, SpawnRequest, spawn
from tests.helpers import alive, wait_for

FAMILY = """
import os, sys, time
def child(run):
    if os.fork() == 0:
        run()
        time.sleep(60)
def own_session():
    os.setsid()
    child(lambda: None)
child(lambda: None)            # same session
child(os.setpgrp)              # own group
child(own_session)             # own session, with a child
if len(sys.argv) > 1:          # and one that hides: own session, parent gone
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    os.wait()
time.sleep(60)
"""


@pytest.fixture
def family() -> Iterator[Child]:
    child = spawn(SpawnRequest([sys.executable, "-c", FAMILY], dict(os.environ), "/"))
    who = procid.identify(child.pid)
    try:
        wait_for(lambda: len(procid.members(who)) == 5, what="the family")
        yield child
    finally:
        procid.kill_members(who)
        os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
        child.close()


def test_a_process_is_itself_and_nobody_else():
    me = procid.identify(os.getpid())
    assert me is not None
    assert procid.alive(me)
    assert not procid.alive(replace(me, start=me.start - 1))
    assert procid.identify(2**22 + 1) is None


def test_a_process_with_parentheses_and_newlines_in_its_name_is_read_right(tmp_path):
    odd = tmp_path / ") 1 (\nZ 2"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([str(odd), "60"], executable="/bin/sleep") as process:
        (tmp_path / "x").write_text("")
        stat = procid.read_stat(process.pid)
        process.kill()
    assert stat is not None
    assert stat.parent == os.getpid()


def test_a_recycled_pid_is_never_signalled():
    with subprocess.Popen(["sleep", "60"]) as process:
        now = procid.identify(process.pid)
        earlier = ProcId(process.pid, now.start - 100)
        assert not procid.send(earlier, signal.SIGKILL)
        assert alive(process.pid)
        assert procid.send(now, signal.SIGKILL)
        process.wait()
    assert not procid.send(now, signal.SIGKILL)


def test_session_group_and_descendants_are_members(family):
    who = procid.identify(family.pid)
    assert len(procid.members(who)) == 5
    assert who in procid.members(who)


def test_killing_the_members_leaves_nobody_but_those_who_are_spared(family):
    who = procid.identify(family.pid)
    everybody = procid.members(who)
    killed = procid.kill_members(who, spare=[who])
    assert set(killed) == set(everybody) - {who}
    wait_for(lambda: procid.members(who) == [who], what="the others' end")
    assert procid.alive(who)


def test_one_who_hides_is_found_by_its_run(tmp_path):
    request = SpawnRequest(
        [sys.executable, "-c", FAMILY, "hide"],
        {**os.environ, "KETTLINGARD_RUN": "blog/1/7"},
        "/",
    )
    child = spawn(request)
    who = procid.identify(child.pid)
    wait_for(lambda: len(procid.members(who, "blog/1/7")) == 6, what="all six")
    assert len(procid.members(who)) == 5
    assert len(procid.members(who, "blog/1/70")) == 5
    killed = procid.kill_members(who, "blog/1/7")
    assert len(killed) == 6
    os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
    child.close()
    wait_for(lambda: not any(map(procid.alive, killed)))


def test_nobody_is_a_member_of_a_number_that_was_given_again(family):
    who = procid.identify(family.pid)
    assert procid.members(replace(who, start=who.start - 1)) == []


def test_our_own_session_is_never_taken_for_a_services():
    session = procid.identify(os.getsid(0))
    if session is None:
        pytest.skip("the leader of this session has ended")
    assert procid.members(session) == []
