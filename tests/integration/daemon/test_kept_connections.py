"""Connections that clients keep open go on with another worker when theirs drains."""

import http.client
import os
import signal

import pytest


@pytest.fixture
def kept():
    """`kept(supervisor)`: a client that keeps its connection."""
    clients = []

    def connect(one):
        clients.append(http.client.HTTPConnection("127.0.0.1", one.port, timeout=10))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def ask(client, path="/pid"):
    client.request("GET", path)
    answer = client.getresponse()
    assert answer.status == 200
    return int(answer.read())


def test_a_restart_ends_no_kept_connection(steady, kept):
    one = steady()
    clients = [kept(one) for _ in range(20)]
    before = {ask(client) for client in clients}
    sockets = [client.sock for client in clients]
    one.ctl("restart", "steady")
    after = {ask(client) for client in clients}
    assert [client.sock for client in clients] == sockets, "the same connections"
    assert not before & after


def test_a_request_that_runs_meanwhile_is_answered_and_told_to_close(steady, kept):
    one = steady()
    client = kept(one)
    first = ask(client)
    client.request("GET", "/slow?seconds=2")
    one.ctl("restart", "steady")
    answer = client.getresponse()
    assert (answer.status, answer.getheader("Connection"), int(answer.read())) == (
        200,
        "close",
        first,
    )


def test_a_kept_connection_of_an_adopted_worker_goes_on_as_well(steady, kept):
    one = steady()
    client = kept(one)
    ask(client)
    sock = client.sock
    one.crash()
    one.start()
    one.ctl("restart", "steady")
    ask(client)
    assert client.sock is sock


def test_a_stop_ends_kept_connections(steady, kept):
    one = steady()
    client = kept(one)
    ask(client)
    one.ctl("stop", "steady")
    assert client.sock.recv(1) == b""


def test_a_kept_connection_waits_where_nobody_else_is_ready_yet(steady, kept):
    one = steady("[pool]\ninstances = 2\n")
    clients = [kept(one) for _ in range(8)]
    asked = {ask(client) for client in clients}
    first, second = one.pids("steady")
    assert asked == {first, second}
    alone = [client for client in clients if ask(client) == second]
    os.kill(first, signal.SIGKILL)
    one.ctl("scale", "steady=1")  # the other one drains while the first one's successor comes
    assert {ask(client) for client in alone} == set(one.ready("steady"))
