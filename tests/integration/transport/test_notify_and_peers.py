from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from kettlingar.transport import peercred
from kettlingar.transport.notify import Notifier
from kettlingar.transport.unixpath import unix_address


@pytest.fixture(params=["path", "long path", "abstract"])
def systemd(request, tmp_path):
    """The address of a socket like systemd's, and that socket."""
    address = {
        "path": str(tmp_path / "notify"),
        "long path": str(tmp_path / ("d" * 120) / "notify"),
        "abstract": f"@kettlingar-notify-{os.getpid()}",
    }[request.param]
    if request.param == "long path":
        os.mkdir(os.path.dirname(address))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, unix_address(address) as bound:
        sock.bind(bound)
        sock.settimeout(5)
        yield address, sock


def test_systemd_hears_what_the_service_says(systemd):
    address, sock = systemd
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    assert notifier.ready("listening on\nport 80")
    assert notifier.status("busy")
    assert notifier.stopping()
    assert sock.recv(100) == b"READY=1\nSTATUS=listening on port 80"
    assert sock.recv(100) == b"STATUS=busy"
    assert sock.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_systemd_nothing_happens(environment):
    assert not Notifier.from_environment(environment).ready()


def test_a_systemd_that_has_gone_does_no_harm(tmp_path):
    assert not Notifier(str(tmp_path / "gone")).ready()


def test_an_empty_status_says_nothing(systemd):
    address, _ = systemd
    assert not Notifier(address).status("\n")


def test_the_peer_of_a_socket_is_the_process_that_made_it():
    one, other = socket.socketpair()
    with one, other:
        assert peercred.peer(one) == (os.getpid(), os.getuid(), os.getgid())
        assert peercred.groups(one) == frozenset(os.getgroups())


def test_a_client_in_another_process_is_named(tmp_path):
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "s")]) as client:
            sock, _ = listener.accept()
            with sock:
                assert peercred.peer(sock).pid == client.pid


def test_a_socket_without_a_peer_is_an_error():
    with socket.socket() as tcp, pytest.raises(OSError, match="cannot tell the peer"):
        peercred.peer(tcp)
