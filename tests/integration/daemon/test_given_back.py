"""A connection that came before a restart and speaks after it."""

import socket

from tests.helpers import wait_for


def test_a_client_that_connected_before_a_restart_is_answered_after_it(steady):
    one = steady()
    (old,) = one.pids("steady")
    with socket.create_connection(("127.0.0.1", one.port), timeout=10) as client:
        wait_for(lambda: one.status("steady")["in_flight"] == 1)
        one.ctl("restart", "steady")
        client.sendall(b"GET /pid HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    (new,) = one.pids("steady")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(str(new).encode())
    assert new != old
