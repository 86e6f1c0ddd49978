"""A killed process's accepted connections are kept by its custodian, and given to the next one."""

import os
import socket
import subprocess
import sys

import pytest

from kettlingard.core.marks import Mark, Whose
from kettlingard.host import custodian
from tests.helpers import ROOT, wait_for

KILLED = """
import os, socket, sys
from pathlib import Path
from kettlingard.core.marks import Whose
from kettlingard.host import custodian
from kettlingard.host.marks import Marks

custodian.PATIENCE = float(os.environ.get("PATIENCE", "30"))
marks = Marks()
custodian.start(os.pidfd_open(os.getpid()), marks, Path(sys.argv[1]))
listener = socket.create_server(("127.0.0.1", 0))
lock = socket.create_server(("127.0.0.1", 0))  # what it has open stays open until it has ended
print(listener.getsockname()[1], lock.getsockname()[1], flush=True)
kept = []
for number, whose in enumerate(sys.argv[2:], 1):
    kept.append(listener.accept()[0])
    if whose == "copied":
        kept.append(kept[-1].dup())
    if whose == "LISTENER":
        marks.put(listener.fileno(), Whose.LISTENER, number, 7)
    elif hasattr(Whose, whose):
        marks.put(kept[-1].fileno(), Whose[whose], number, 7)
print("accepted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def killed(tmp_path):
    """Call it with what is said of each connection: clients, and both ports, after the kill."""
    clients = []

    def kill(*said):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), *said],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        with process:
            ports = [int(text) for text in process.stdout.readline().split()]
            for _ in said:
                clients.append(socket.create_connection(("127.0.0.1", ports[0]), timeout=5))
                clients[-1].send(b"?")
            assert process.stdout.readline() == "accepted\n"
            process.kill()
        return clients, ports

    yield kill
    for client in clients:
        client.close()


def answered(kept, client):
    kept.sock.setblocking(True)
    kept.sock.send(b"!")
    return client.recv(1) == b"!"


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_for_offer(folder):
    wait_for(lambda: list(folder.glob("*.sock")))


def test_what_nobody_else_has_is_given_to_the_next_one(killed, tmp_path):
    clients, ports = killed("OURS", "SENT", "nothing", "THEIRS")
    wait_for_offer(tmp_path)
    found = custodian.taken(tmp_path)
    marks = [Mark(Whose.SENT, 2, 7), Mark(Whose.OURS, 1, 7), Mark(Whose.NOBODY_SAID)]
    assert [one.mark for one in found] == marks
    for one, client in zip(found, (clients[1], clients[0], clients[2]), strict=True):
        assert answered(one, client)
        one.sock.close()
    with pytest.raises(ConnectionResetError):  # its worker would have it; here nobody has
        clients[3].recv(1)
    assert all(map(is_refused, ports))
    wait_for(lambda: not list(tmp_path.iterdir()), what="the custodian has gone")


def test_all_else_is_closed_before_anybody_comes(killed, tmp_path):
    _, ports = killed("OURS")
    wait_for_offer(tmp_path)
    wait_for(lambda: all(map(is_refused, ports)))
    [one] = custodian.taken(tmp_path)
    one.sock.close()


def test_a_connection_and_the_copy_that_is_being_sent_are_one(killed, tmp_path):
    killed("copied")
    wait_for_offer(tmp_path)
    [one] = custodian.taken(tmp_path)
    one.sock.close()


def test_one_with_nothing_to_keep_ends_at_once(killed, tmp_path):
    killed("THEIRS")
    assert custodian.taken(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_what_one_taker_did_not_take_is_there_for_the_next(killed, tmp_path):
    clients, _ = killed("OURS")
    wait_for_offer(tmp_path)
    [path] = tmp_path.iterdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as visitor:
        visitor.connect(str(path))
        assert visitor.recv(10)  # and dies before it says so
    [one] = custodian.taken(tmp_path)
    assert answered(one, clients[0])
    one.sock.close()


def test_a_listener_of_ours_alone_is_kept_too(killed, tmp_path):
    _, (port, _lock) = killed("LISTENER")
    wait_for_offer(tmp_path)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        one, accepted_before = custodian.taken(tmp_path)
        assert one.mark == Mark(Whose.LISTENER, 1, 7)
        accepted_before.sock.close()
        with one.sock, one.sock.accept()[0] as accepted:
            accepted.send(b"!")
            assert client.recv(1) == b"!"


def test_where_nobody_comes_those_that_wait_are_told_so(killed, tmp_path, monkeypatch):
    monkeypatch.setenv("PATIENCE", "0.2")
    clients, _ = killed("OURS", "SENT")
    assert clients[0].recv(4096).startswith(b"HTTP/1.1 503 ")
    assert clients[0].recv(1) == b""
    with pytest.raises(ConnectionResetError):  # nobody knows whether it has been answered
        clients[1].recv(1)
    wait_for(lambda: not list(tmp_path.iterdir()), what="the custodian has gone")


def test_files_of_one_that_was_killed_are_removed(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(str(tmp_path / f"{os.getpid()}.sock"))
    assert custodian.taken(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
