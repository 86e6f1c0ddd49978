from __future__ import annotations

import os

import pytest

from kettlingar.errors import NotRunning
from kettlingar.sync import BlockingClient
from kettlingar.transport.listeners import bind_tcp, bind_unix
from kettlingar.transport.rendezvous import publish
from tests.integration.sync.scripted import Service


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def start():
    """`start(listener, name)`: a service there that answers each call with its name and the head."""
    services = []

    def begin(listener, name):
        def script(peer, _):
            while request := peer.request():
                peer.answer([name, request.head])

        services.append(Service(listener, script))
        return services[-1]

    yield begin
    for service in services:
        service.stop()


@pytest.fixture
def client(folder, start):  # closed before the services that wait for its next word
    client = BlockingClient.by_files(folder, "Kitty", timeout=5)
    yield client
    client.close()


def test_a_service_without_files_is_not_running(client):
    with pytest.raises(NotRunning, match="cannot reach Kitty: it is not running"):
        client.call("purr")


def test_files_that_nobody_stands_behind_are_not_running(folder, client):
    publish(folder, "Kitty", "http://127.0.0.1:1/T")
    bind_unix(folder / "Kitty.sock").close()
    with pytest.raises(NotRunning, match="cannot reach Kitty: nobody answers"):
        client.call("purr")


def test_the_unix_socket_is_preferred_and_tcp_used_when_asked_or_alone(folder, client, start):
    tcp = bind_tcp("127.0.0.1", 0)
    publish(folder, "Kitty", f"http://127.0.0.1:{tcp.getsockname()[1]}/cats/TOKEN")
    start(tcp, "tcp")
    assert client.call("purr")[0] == "tcp"
    client.close()
    start(bind_unix(folder / "Kitty.sock"), "unix")
    name, head = client.call("purr")
    assert name == "unix"
    assert "POST /cats/purr " in head
    assert "Authorization: Bearer TOKEN" in head
    assert client.call("purr", call_allow_unix=False)[0] == "tcp"
    assert client.call("purr")[0] == "unix"


def test_a_service_without_a_port_is_not_reached_over_tcp(folder, client, start):
    publish(folder, "Kitty", "http://localhost/TOKEN")
    start(bind_unix(folder / "Kitty.sock"), "unix")
    with pytest.raises(NotRunning, match="Kitty over TCP: it has no TCP port"):
        client.call("purr", call_allow_unix=False)


def test_a_client_that_knows_only_a_unix_socket_says_so(folder, start):
    path = folder / "only.sock"
    start(bind_unix(path), "unix")
    from kettlingar.sync import connect_control

    control = connect_control(path)
    with pytest.raises(NotRunning, match="only its unix socket is known"):
        control.call("purr", call_allow_unix=False)


def test_a_restarted_service_is_found_again_with_its_new_token(folder, client, start):
    path = folder / "Kitty.sock"
    publish(folder, "Kitty", "http://localhost/OLD")
    first = start(bind_unix(path), "first")
    assert client.call("purr")[0] == "first"
    first.end_connections()
    first.stop()
    os.unlink(path)
    publish(folder, "Kitty", "http://localhost/NEW")
    start(bind_unix(path), "second")
    name, head = client.call("purr")
    assert name == "second"
    assert "Bearer NEW" in head
