"""Real listening sockets, and what is said when an address cannot be had."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from kettlingard.errors import ListenError
from kettlingard.host import listeners
from kettlingard.host.listeners import Manner, listen, local_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[::]:80", ("::", 80)),
        (":80", ("", 80)),
        ("*:80", ("*", 80)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_is_split(text, expected):
    assert listeners.split_address(text) == expected


@pytest.mark.parametrize("text", ["80", "host", "host:", "host:http", "::1:80", "h:65536", "h:٣"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ListenError, match="cannot listen on"):
        listen(text)


def test_a_listener_is_nonblocking_and_not_inherited():
    with listen("127.0.0.1:0") as sock:
        assert not sock.getblocking()
        assert not sock.get_inheritable()
        assert local_address(sock) == f"127.0.0.1:{sock.getsockname()[1]}"


def test_a_unix_listener_is_at_its_path_with_its_mode(tmp_path):
    path = tmp_path / "blog.sock"
    with listen(str(path), Manner(mode=0o660)) as sock:
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o660
        assert local_address(sock) == str(path)
    with listen(str(path)):  # what is left of one that ended is replaced
        pass


def test_an_address_that_another_process_has_names_it():
    script = (
        "import socket; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        port = int(process.stdout.readline())
        with pytest.raises(
            ListenError, match=rf"in use by pid {process.pid} \(python.*\); stop it"
        ):
            listen(f"127.0.0.1:{port}")
        process.stdin.close()


def test_an_address_that_we_have_ourselves_says_so():
    with listen("127.0.0.1:0") as sock, pytest.raises(ListenError) as why:
        listen(local_address(sock))
    assert why.value.reason == "listen:EADDRINUSE"
    assert "another service of this kettlingard" in str(why.value)


def test_a_path_where_somebody_answers_is_not_taken_away(tmp_path):
    path = str(tmp_path / "x.sock")
    with listen(path), pytest.raises(ListenError, match="already in use") as why:
        listen(path)
    assert why.value.reason == "listen:EADDRINUSE"


def test_a_file_in_the_way_is_not_removed(tmp_path):
    path = tmp_path / "x.sock"
    path.write_text("precious")
    with pytest.raises(ListenError, match="in the way"):
        listen(str(path))
    assert path.read_text() == "precious"


def test_an_address_of_another_machine_says_so():
    with pytest.raises(ListenError, match="no such address") as why:
        listen("192.0.2.1:8080")
    assert why.value.reason == "listen:EADDRNOTAVAIL"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every port")
def test_a_low_port_without_the_right_to_it_says_what_to_do():
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 81))
        except PermissionError:
            pass
        else:
            pytest.skip("low ports are free for everybody on this machine")
    with pytest.raises(ListenError, match="use a port above 1023"):
        listen("127.0.0.1:81")
