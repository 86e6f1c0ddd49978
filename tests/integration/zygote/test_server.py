"""The warm process itself: what it forks, what it refuses, what it leaves behind."""

import os
import resource
import time

import pytest

from kettlingar.transport.forking import Cold, Forked, Refused, Warm
from tests.helpers import children, descriptors, wait_for

from .conftest import exit_of


def test_its_descriptors_stay_the_same_over_two_hundred_forks(direct):
    zygote = direct()
    answer, _ = zygote.fork()
    assert exit_of(answer.pid) == 1  # its supervisor had gone
    before = descriptors(zygote.process.pid)
    for _ in range(200):
        answer, said = zygote.fork()
        assert (type(answer), said) == (Forked, "")
        assert exit_of(answer.pid) == 1
    assert descriptors(zygote.process.pid) == before
    assert children(zygote.process.pid) == []


def test_a_worker_is_the_child_of_whoever_asked(direct):
    zygote = direct()
    answer, _ = zygote.fork()
    assert os.waitid(os.P_PID, answer.pid, os.WEXITED | os.WNOWAIT).si_status == 1
    assert exit_of(answer.pid) == 1


def test_it_ends_when_its_supervisor_has_gone(direct):
    zygote = direct()
    zygote.sock.close()
    assert zygote.process.wait(5) == 0


@pytest.mark.parametrize(
    ("order", "report"),
    [
        ({"cwd": "/not/there"}, "directory\n2\n/not/there"),
        ({"rlimits": [(resource.RLIMIT_NOFILE, 5, 4)]}, "limits\n22\nValueError"),
        ({"env": {"A=B": "c"}}, "environment\n22\n"),
    ],
)
def test_what_a_worker_cannot_become_is_reported_and_it_ends(direct, order, report):
    answer, said = direct().fork(**order)
    assert said.startswith(report)
    assert exit_of(answer.pid) == 127


def test_a_preloaded_module_that_cannot_be_imported_is_named(direct, service_module):
    folder = service_module("broken", "import not_there_at_all\n")
    zygote = direct([folder], ["broken"])
    assert zygote.first == Cold("ModuleNotFoundError: No module named 'not_there_at_all'")
    assert zygote.process.wait(5) == 0


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            (
                "import threading, time\n"
                "threading.Thread(target=time.sleep, args=(9,), daemon=True, name='nap').start()\n"
            ),
            "it has 2 threads (nap)",
        ),
        ("import socket\nkept = socket.socketpair()\n", "opened socket:"),
        ("import asyncio\nloop = asyncio.new_event_loop()\n", "opened anon_inode:[eventpoll]"),
    ],
)
def test_it_forks_nothing_that_a_worker_must_not_inherit(direct, service_module, source, why):
    zygote = direct([service_module("mine", source)], ["mine"])
    assert isinstance(zygote.first, Warm)
    answer, said = zygote.fork()
    assert (answer.reason, said) == ("unsafe", "")
    assert why in answer.why


def test_a_file_that_a_preloaded_module_holds_open_is_no_reason_to_refuse(direct, service_module):
    zygote = direct([service_module("mine", "kept = open(__file__)\n")], ["mine"])
    answer, _ = zygote.fork()
    assert exit_of(answer.pid) == 1


def test_it_forks_no_more_once_a_file_has_changed(direct, service_module):
    folder = service_module("mine", "VALUE = 1\n")
    zygote = direct([folder], ["mine"])
    answer, _ = zygote.fork()
    assert exit_of(answer.pid) == 1
    (folder / "mine.py").write_text("VALUE = 22\n")
    answer, _ = zygote.fork()
    assert answer == Refused(answer.number, "changed", str(folder / "mine.py"))


def test_a_fork_takes_milliseconds(direct):
    """No benchmark: only that nothing is imported again."""
    zygote = direct()
    began = time.monotonic()
    answer, _ = zygote.fork()
    took = time.monotonic() - began
    assert exit_of(answer.pid) == 1
    assert took < 2
    wait_for(lambda: children(zygote.process.pid) == [])
