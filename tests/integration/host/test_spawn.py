"""Real processes: what a child gets, what it does not, and what is said when it cannot start."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kettlingard.errors import SpawnError
from kettlingard.host.spawn import Child, Ids, SpawnRequest, begin, spawn
from tests.helpers import alive, descriptors, wait_for

REPORT = """
import json, os, resource, signal, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "argv": sys.argv[1:], "cwd": os.getcwd(), "sid": os.getsid(0), "pid": os.getpid(),
    "ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(),
    "fds": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
            if os.path.exists(f"/proc/self/fd/{fd}")},
    "umask": os.umask(0), "nice": os.nice(0), "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
    "blocked": int(status["SigBlk"], 16), "ignored": int(status["SigIgn"], 16),
    "no_new_privs": status["NoNewPrivs"].strip(), "env": dict(os.environ),
    "oom": int(open("/proc/self/oom_score_adj").read()),
}))
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}


def request(*argv: str, cwd: str = "/", **more: object) -> SpawnRequest:
    return SpawnRequest(argv=argv, cwd=cwd, **{"env": environment(), **more})


def reap(child: Child) -> int:
    """Wait for its end, and let go of it; its exit code, or minus its signal."""
    seen = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
    child.close()
    return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status


def report(tmp_path: Path, **more: object) -> dict:
    """What a child says of itself."""
    path = tmp_path / "report"
    with path.open("wb") as out:
        child = spawn(request(sys.executable, "-c", REPORT, stdout_fd=out.fileno(), **more))
    assert reap(child) == 0, path.read_text()
    return json.loads(path.read_text())


def test_a_child_leads_its_own_session_in_its_own_folder(tmp_path):
    said = report(tmp_path, cwd=str(tmp_path))
    assert said["sid"] == said["pid"]
    assert said["cwd"] == str(tmp_path)


def test_a_child_has_the_environment_that_was_given_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("OURS", "secret")
    marked = {"KETTLINGAR_TEST": os.environ["KETTLINGAR_TEST"], "ONE": "1", "LC_ALL": "C.UTF-8"}
    assert report(tmp_path, env=marked)["env"] == marked


def test_a_child_gets_the_named_descriptors_at_their_numbers_and_nothing_else(tmp_path):
    a, b = socket.socketpair()
    one, other = a.fileno(), b.fileno()
    leaky = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(leaky, True)
    try:
        # The numbers cross over: each one is wanted where the other one is.
        said = report(tmp_path, fds=[(one, other), (other, one)])
        links = {int(fd): link for fd, link in said["fds"].items()}
        ours = descriptors()
    finally:
        os.close(leaky)
        a.close()
        b.close()
    assert links[one] == ours[other]
    assert links[other] == ours[one]
    assert links[0] == "/dev/null"
    assert links[1] == links[2] == str(tmp_path / "report")
    assert set(links) == {0, 1, 2, one, other}


def test_signals_are_at_their_defaults_and_unblocked(tmp_path):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        said = report(tmp_path)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | {signal.SIGUSR1}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert said["blocked"] == 0
    python_ignores = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    standard = (1 << 31) - 1  # not the C library's own, which nobody can set
    assert said["ignored"] & standard & ~python_ignores == 0  # the child is Python again


def test_umask_nice_limits_and_privileges_are_set(tmp_path):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    said = report(
        tmp_path,
        umask=0o027,
        nice=17,
        oom_score_adjust=500,
        rlimits=[(resource.RLIMIT_NOFILE, 77, hard)],
    )
    assert said["umask"] == 0o027
    assert said["nice"] == 17
    assert said["oom"] == 500
    assert said["nofile"] == [77, hard]
    assert said["no_new_privs"] == "1"
    assert report(tmp_path, no_new_privileges=False)["no_new_privs"] == "0"


def test_a_limit_below_our_own_numbers_is_no_hindrance():
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(60)]
    try:
        child = spawn(
            request("true", fds=[(fds[-1], 3)], rlimits=[(resource.RLIMIT_NOFILE, 16, 16)])
        )
    finally:
        for fd in fds:
            os.close(fd)
    assert reap(child) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process another user")
def test_root_can_start_a_process_as_somebody_else(tmp_path):
    path = tmp_path / "report"
    with path.open("wb") as out:
        child = spawn(
            request(
                *("grep", "-E", "Uid|Gid|Groups", "/proc/self/status"),
                stdout_fd=out.fileno(),
                ids=Ids(65534, 65534, (65533,)),
            )
        )
    assert reap(child) == 0
    everywhere = "\t".join(["65534"] * 4)
    assert path.read_text().split("\n")[:2] == [f"Uid:\t{everywhere}", f"Gid:\t{everywhere}"]
    assert path.read_text().split()[-1] == "65533"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do this")
def test_another_user_without_root_is_an_error_of_the_step_ids():
    with pytest.raises(SpawnError) as why:
        spawn(request("true", ids=Ids(0, 0)))
    assert why.value.reason == "spawn:ids:EPERM"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"argv": ["/no/such/program"]}, "spawn:exec:ENOENT"),
        ({"argv": ["no-such-program"], "env": {"PATH": "/bin"}}, "spawn:exec:ENOENT"),
        ({"argv": ["/etc/passwd"]}, "spawn:exec:EACCES"),
        ({"cwd": "/no/such/folder"}, "spawn:directory:ENOENT"),
        ({"fds": [(9999, 5)]}, "spawn:descriptors:EBADF"),
        ({"rlimits": [(resource.RLIMIT_NOFILE, 2, 1)]}, "spawn:limits:EINVAL"),
        ({"env": {"A=": "\0"}}, "spawn:exec:EINVAL"),
    ],
)
def test_what_cannot_start_says_at_which_step_and_why(more, reason):
    with pytest.raises(SpawnError) as why:
        spawn(SpawnRequest(**{"argv": ["true"], "env": environment(), "cwd": "/", **more}))
    assert why.value.reason == reason


def test_the_message_names_what_is_missing():
    with pytest.raises(SpawnError, match=r"directory: No such file or directory .*/no/such/folder"):
        spawn(request("true", cwd="/no/such/folder"))


def test_no_process_left_to_fork_is_an_error_and_leaks_nothing(monkeypatch):
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    before = descriptors()
    monkeypatch.setattr(os, "fork", refuse)  # RLIMIT_NPROC does not bind root
    with pytest.raises(SpawnError) as why:
        spawn(request("true"))
    assert why.value.reason == "spawn:fork:EAGAIN"
    assert set(descriptors()) == set(before)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_a_signal_during_the_start_reaches_only_us():
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: heard.append(number))
    try:
        for _ in range(20):
            child = spawn(request("sleep", "60"))
            os.kill(os.getpid(), signal.SIGUSR1)
            assert alive(child.pid)
            child.send(signal.SIGKILL)
            assert reap(child) == -signal.SIGKILL
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(heard) == 20


def test_the_outcome_can_come_from_the_event_loop(run_async, loop_kind):
    async def outcome(one: SpawnRequest) -> Child | SpawnError:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Child | SpawnError] = loop.create_future()
        begin(one).when_known(loop, told.set_result)
        return await told

    child = run_async(outcome(request("true")))
    assert isinstance(child, Child)
    assert reap(child) == 0
    failed = run_async(outcome(request("/no/such/program")))
    assert isinstance(failed, SpawnError)
    assert failed.step == "exec"


class Endless(list):
    """Arguments that keep the child busy for ever, as a dead file server would."""

    def __iter__(self):
        while True:
            signal.pause()


def test_a_child_that_hangs_before_exec_is_given_up():
    started = begin(replace(request("sleep"), argv=Endless(["sleep"])))
    pid = started.child.pid
    with pytest.raises(SpawnError) as why:
        started.result(timeout=0.1)
    assert why.value.reason == "spawn:start:ETIMEDOUT"
    os.waitpid(pid, 0)  # the reaper's sweep does this for the supervisor


def test_a_signal_to_an_ended_or_released_child_goes_nowhere():
    child = spawn(request("true"))
    os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
    assert not child.send(signal.SIGTERM)
    child.close()
    assert not child.send(signal.SIGTERM)
    child.close()


def test_closing_lets_the_process_live():
    child = spawn(request("sleep", "60"))
    child.close()
    assert alive(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    wait_for(lambda: not alive(child.pid))
    os.waitpid(child.pid, 0)


def test_a_child_that_is_killed_before_it_heard_that_it_may_go_is_no_start():
    spawning = begin(request("true"))
    os.kill(spawning.child.pid, signal.SIGSTOP)
    spawning.go()
    os.kill(spawning.child.pid, signal.SIGKILL)
    with pytest.raises(SpawnError) as caught:
        spawning.result()
    assert (caught.value.step, caught.value.errno) == ("start", errno.ECONNRESET)
