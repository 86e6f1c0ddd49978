"""Memory does not grow with use (KETTLINGAR_LONG=1: 10,000 connections, a million requests, a gigabyte)."""

import os

import pytest

from benchmarks import memory

LONG = bool(os.environ.get("KETTLINGAR_LONG"))
CONNECTIONS = 10_000 if LONG else 300
REQUESTS = 1_000_000 if LONG else 20_000
STREAMED = 1024 if LONG else 50  # MiB
pytestmark = pytest.mark.timeout(400 if LONG else 60)


@pytest.fixture
def service():
    with memory.heavy() as (server, folder):
        yield server, folder


def test_an_idle_connection_holds_less_than_ten_kibibytes(service):
    server, _folder = service
    if not memory.allow_files(CONNECTIONS + 100):
        pytest.skip(f"this process may not have {CONNECTIONS} files open")
    more = memory.of_idle_connections(server, CONNECTIONS)
    print(f"\n{CONNECTIONS} idle connections: {more:.2f} MiB more")
    assert more <= CONNECTIONS / 100


def test_requests_leave_nothing_behind(service):
    server, _folder = service
    more = memory.after_requests(server, REQUESTS)
    print(f"\n{REQUESTS} requests: {more:.2f} MiB more")
    assert more < 2


def test_a_stream_out_is_held_in_pieces_at_both_ends(service):
    pytest.importorskip("uvloop", reason="the client that is measured has it")
    server_rise, client_rise = memory.of_a_stream_down(*service, STREAMED)
    print(f"\n{STREAMED} MiB out: server {server_rise:.2f}, client {client_rise:.2f} MiB more")
    assert max(server_rise, client_rise) < 8


def test_a_stream_in_is_held_in_pieces(service):
    more = memory.of_a_stream_up(*service, STREAMED)
    print(f"\n{STREAMED} MiB in: {more:.2f} MiB more")
    assert more < 8
