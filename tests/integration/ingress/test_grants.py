"""Local clients get a connected socket whose other end a worker has; and lose it with the right."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections.abc import Iterator

import msgspec
import pytest

from kettlingar.errors import Unavailable
from kettlingar.transport.channel import Channel, channel_pair
from kettlingar.transport.fdpass import FDS_SPACE, fds_in
from kettlingar.transport.messages import Caller, FromWorker, Progress, Revoke, ToWorker
from kettlingard.core.rights import Asker, Rights, Rule, Verb, Whom
from kettlingard.core.spec import AccessKeys
from kettlingard.services.grants import Grants, asker_of, read_rights

OWNER, BOB, EVE = 70001, 70002, 70003
CALL_BOB = Rights(OWNER, call=(Rule(Whom.UID, number=BOB),))


class Workers:
    """The supervisor's channels, and the workers' ends of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        pairs = [channel_pair() for _ in range(count)]
        self.ends = [theirs for _, theirs in pairs]
        self.runs = {
            run: Channel(loop, ours, FromWorker, lambda _m, _f: None, lambda: None)
            for run, (ours, _) in enumerate(pairs, 1)
        }

    def heard(self, run: int) -> tuple[object, list[int]]:
        """The next message that this worker got, and its descriptors."""
        data, ancillary, _, _ = self.ends[run - 1].recvmsg(65536, FDS_SPACE)
        return msgspec.msgpack.decode(data, type=ToWorker), fds_in(ancillary)

    def close(self) -> None:
        for channel in self.runs.values():
            channel.close()
        for end in self.ends:
            end.close()


@pytest.fixture
def workers() -> Iterator[Workers]:
    loop = asyncio.new_event_loop()
    made = Workers(loop, 2)
    yield made
    made.close()
    loop.close()


def test_the_caller_and_a_worker_get_the_two_ends_and_the_worker_learns_who_it_is(workers):
    grants = Grants("blog", CALL_BOB)
    with grants.connect(Asker(BOB), 4711, workers.runs) as client:
        message, [fd] = workers.heard(1)
        assert message == Caller(id=-1, uid=BOB, pid=4711)
        with socket.socket(fileno=fd) as worker:
            client.sendall(b"hello")
            assert worker.recv(10) == b"hello"
        assert client.recv(10) == b""  # nobody else holds the worker's end
        assert not client.get_inheritable()


def test_callers_are_shared_among_the_workers(workers):
    grants = Grants("blog", CALL_BOB)
    clients = [grants.connect(Asker(BOB), 1, workers.runs) for _ in range(6)]
    assert [grants.of(run) for run in (1, 2)] == [3, 3]
    for client in clients:
        client.close()
    for run in (1, 2):
        for _ in range(3):
            os.close(workers.heard(run)[1][0])


def test_who_may_not_is_told_who_he_is_and_what_he_may_not(workers, caplog):
    grants = Grants("blog", CALL_BOB)
    with pytest.raises(PermissionError, match=rf"uid {EVE} may not call blog; .* access\.call"):
        grants.connect(Asker(EVE), 4712, workers.runs)
    assert f"access refused service=blog verb=call uid={EVE} pid=4712" in caplog.text
    with pytest.raises(PermissionError, match="service old may not call blog"):
        grants.connect(Asker(OWNER, service="old"), 1, workers.runs)
    with pytest.raises(PermissionError, match="may not control blog"):
        grants.check(Asker(BOB), Verb.CONTROL)
    grants.check(Asker(OWNER), Verb.CONTROL)


def test_without_a_ready_worker_the_answer_is_that_there_is_none():
    with pytest.raises(Unavailable, match="no instance of blog is ready"):
        Grants("blog", CALL_BOB).connect(Asker(BOB), 1, {})


def test_rules_for_methods_travel_with_the_caller(workers):
    rights = Rights(OWNER, methods={"read": (Rule(Whom.ANY),)})
    grants = Grants("blog", rights)
    with grants.connect(Asker(EVE), 1, workers.runs, ["ping", "read"]):
        message, [fd] = workers.heard(1)
        os.close(fd)
        assert message.methods == ["read"]


def test_when_access_changes_those_who_lost_a_right_are_cut_off(workers):
    grants = Grants("blog", Rights(OWNER, call=(Rule(Whom.ANY),)))
    clients = [grants.connect(Asker(who), 1, workers.runs) for who in (BOB, EVE, OWNER)]
    by_run = {1: [-1, -3], 2: [-2]}
    for run, ids in by_run.items():
        for number in ids:
            message, [fd] = workers.heard(run)
            os.close(fd)
            assert message.id == number
    assert grants.become(CALL_BOB, workers.runs) == 1
    assert workers.heard(2) == (Revoke([-2]), [])
    assert grants.become(CALL_BOB, workers.runs) == 0
    for client in clients:
        client.close()


def test_callers_that_are_done_or_whose_worker_ended_are_forgotten(workers):
    grants = Grants("blog", CALL_BOB)
    for _ in range(4):
        grants.connect(Asker(BOB), 1, workers.runs).close()
    for run in (1, 2):
        for _ in range(2):
            os.close(workers.heard(run)[1][0])
    grants.progress(1, Progress(done=[-1, -2]))  # the second one is not its own
    assert [grants.of(run) for run in (1, 2)] == [1, 2]
    grants.gone(2)
    assert [grants.of(run) for run in (1, 2)] == [1, 0]


def test_the_kernel_says_who_asks(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        client.connect(path)
        with listener.accept()[0] as accepted:
            asker, pid = asker_of(accepted)
    assert pid == os.getpid()
    assert asker.uid == os.geteuid()
    assert asker.gids == {os.getegid(), *os.getgroups()}


def test_names_of_users_are_looked_up_and_unknown_ones_allow_nobody():
    me = pwd.getpwuid(os.geteuid()).pw_name
    access = AccessKeys(
        status=("any",),
        call=(f"uid:{me}", "gid:12345", "service:news"),
        control=("uid:no-such-user", "gid:no-such-group"),
        methods={"read": ("uid:1",)},
    )
    rights, problems = read_rights(access, OWNER)
    assert rights.status == (Rule(Whom.ANY),)
    assert rights.call == (
        Rule(Whom.UID, number=os.geteuid()),
        Rule(Whom.GID, number=12345),
        Rule(Whom.SERVICE, service="news"),
    )
    assert rights.methods == {"read": (Rule(Whom.UID, number=1),)}
    assert problems == [
        'access.control: "uid:no-such-user": this machine has no such user',
        'access.control: "gid:no-such-group": this machine has no such group',
    ]
    assert not rights.may(Asker(BOB), Verb.CONTROL)
    assert not rights.may(Asker(OWNER, service="news"), Verb.CONTROL)


def test_what_was_refused_is_told_to_who_keeps_the_history():
    told = []
    grants = Grants("blog", Rights(owner=1), refused=lambda *what: told.append(what))
    with pytest.raises(PermissionError):
        grants.check(Asker(4711), Verb.CONTROL, 99)
    assert told == [("control", "uid 4711 pid 99")]
