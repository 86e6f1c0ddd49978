from __future__ import annotations

import asyncio
import os
import socket
import stat
import time

import pytest

from kettlingar.transport import acceptor as acceptor_module
from kettlingar.transport.acceptor import Acceptor, stream_of
from kettlingar.transport.listeners import bind_tcp, bind_unix
from kettlingar.transport.unixpath import connect_unix
from tests.integration.transport.peers import count_fds, until

# --- TCP ---


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "", "*", "::", "[::]"])
def test_a_client_reaches_a_tcp_listener(host):
    with bind_tcp(host, 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            sock, _ = listener.accept()
            with sock:
                # inherited from the listener, so that nobody sets it for each connection
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not listener.get_inheritable()
        assert not listener.getblocking()


def test_ipv6_alone_leaves_the_older_family_out():
    with (
        bind_tcp("::", 0, ipv6_only=True) as listener,
        pytest.raises(ConnectionRefusedError),
    ):
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]))


def test_a_port_in_use_is_refused_with_its_name():
    with bind_tcp("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: address already in"):
            bind_tcp("127.0.0.1", port)
        with pytest.raises(OSError, match=rf"cannot listen on \*:{port}: "):
            bind_tcp("", port)


def test_a_host_that_is_unknown_or_elsewhere_is_refused_with_its_name():
    with pytest.raises(OSError, match=r"cannot listen on nowhere.invalid:80: "):
        bind_tcp("nowhere.invalid", 80)
    with pytest.raises(OSError, match=r"cannot listen on 192.0.2.1:80: .*no such address"):
        bind_tcp("192.0.2.1", 80)


# --- unix ---


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kitty.sock"


def deep(tmp_path, length):
    """A path of `length` bytes, in folders that exist."""
    folder = str(tmp_path)
    while length - len(folder) > 60:
        folder += "/" + "d" * min(100, length - len(folder) - 22)
    os.makedirs(folder, exist_ok=True)
    return folder + "/" + "s" * (length - len(folder) - 1)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_unix_socket_has_its_mode(path, mode):
    with bind_unix(path, mode=mode):
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("length", [107, 108, 109, 200, 4000])
def test_a_path_may_be_longer_than_the_kernels_address(tmp_path, length):
    path = deep(tmp_path, length)
    assert len(path) == length
    with bind_unix(path) as listener, connect_unix(path) as client:
        sock, _ = listener.accept()
        sock.close()
        assert client.recv(1) == b""
    with bind_unix(path):  # the stale one is replaced
        pass


def test_a_path_too_long_for_any_file_is_refused(tmp_path):
    with pytest.raises(OSError, match=r"cannot listen on .*name too long"):
        bind_unix(str(tmp_path) + "/" + "x" * 4096)
    with pytest.raises(OSError, match=r"cannot listen on .*too long"):
        bind_unix(str(tmp_path / ("x" * 250)))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OSError, match=r"cannot listen on .*no such file"):
        bind_unix(tmp_path / "none" / "x.sock")


def test_a_socket_that_nobody_answers_on_is_replaced(path):
    bind_unix(path).close()
    with bind_unix(path), connect_unix(path):
        pass


def test_a_living_socket_is_left_alone(path):
    with bind_unix(path) as listener:
        with pytest.raises(OSError, match="somebody answers there"):
            bind_unix(path)
        sock, _ = listener.accept()  # the question whether anybody answers
        sock.close()
        with connect_unix(path):
            pass


def test_a_living_socket_with_a_full_backlog_is_left_alone(path):
    with bind_unix(path, backlog=0) as listener:
        waiting = []
        for _ in range(3):
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            sock.connect_ex(str(path))
            waiting.append(sock)
        with pytest.raises(OSError, match="somebody answers there"):
            bind_unix(path)
        for sock in waiting:
            sock.close()
        assert listener.fileno() >= 0


def test_a_socket_of_another_kind_is_left_alone(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        with pytest.raises(OSError, match="somebody answers there"):
            bind_unix(path)


@pytest.mark.parametrize("kind", ["file", "folder", "symlink", "fifo"])
def test_anything_that_is_no_socket_is_left_alone(path, kind):
    {
        "file": path.touch,
        "folder": path.mkdir,
        "symlink": lambda: path.symlink_to("/nowhere"),
        "fifo": lambda: os.mkfifo(path),
    }[kind]()
    with pytest.raises(OSError, match="something that is no socket is in the way"):
        bind_unix(path)
    assert os.path.lexists(path)


def test_the_abstract_namespace_needs_no_file():
    name = f"@kettlingar-test-{os.getpid()}"
    with bind_unix(name), connect_unix(name):
        assert not os.path.exists(name)


# --- accepting ---


class Accepting:
    """An acceptor on loopback TCP, recorded."""

    def __init__(self, **options):
        self.accepted, self.troubles = [], []
        self.listener = bind_tcp("127.0.0.1", 0)
        self.address = self.listener.getsockname()
        self.acceptor = Acceptor(
            asyncio.get_running_loop(),
            self.listener,
            lambda fds: self.accepted.extend(map(stream_of, fds)),
            self.troubles.append,
            **options,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.acceptor.close()
        for sock in self.accepted:
            sock.close()


def test_all_that_wait_are_accepted_at_once_and_do_not_block(run_async, loop_kind):
    async def body():
        with Accepting() as one:
            clients = [socket.create_connection(one.address) for _ in range(20)]
            await asyncio.sleep(0)
            await until(lambda: len(one.accepted) == 20)
            for sock in one.accepted:
                assert not sock.getblocking()
                assert not os.get_blocking(sock.fileno())
                assert not sock.get_inheritable()
                assert sock.getpeername() in {client.getsockname() for client in clients}
            for client in clients:
                client.close()

    run_async(body())


def test_closing_from_inside_the_callback_stops_at_once(run_async, loop_kind):
    async def body():
        with Accepting() as one:
            clients = [socket.create_connection(one.address) for _ in range(5)]
            real = one.acceptor._on_connections
            one.acceptor._on_connections = lambda fds: (real(fds), one.acceptor.close())
            await until(lambda: one.accepted)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(one.address)
            for client in clients:
                client.close()

    run_async(body())


def test_at_the_limit_of_open_files_one_is_told_and_the_others_wait(
    run_async, loop_kind, few_descriptors
):
    async def body():
        with Accepting(refusal=b"HTTP/1.1 503 Full\r\n\r\n") as one:
            before = count_fds()
            clients = [socket.socket() for _ in range(4)]
            for client in clients:
                client.settimeout(5)
            with few_descriptors(room=1):
                for client in clients:
                    client.connect(one.address)
                    client.send(b"GET / HTTP/1.1\r\n\r\n")
                await until(lambda: one.troubles)
                cpu, wall = time.process_time(), time.monotonic()
                await asyncio.sleep(acceptor_module.PAUSE / 2)
                passed = time.monotonic() - wall
                assert time.process_time() - cpu < 0.6 * passed  # it does not spin
                # one for each pause: on a busy machine more than one may have passed
                assert len(one.troubles) <= 2 + passed / acceptor_module.PAUSE
                assert clients[1].recv(100) == b"HTTP/1.1 503 Full\r\n\r\n"
                assert clients[1].recv(100) == b""
            await until(lambda: len(one.accepted) + len(one.troubles) == 4)
            await until(lambda: one.acceptor._spare >= 0)
            assert count_fds() == before + 4 + len(one.accepted)
            for client in clients:
                client.close()

    run_async(body())


def test_closing_while_paused_leaves_nothing(run_async, loop_kind, few_descriptors):
    async def body():
        with Accepting() as one:
            client = socket.socket()
            with few_descriptors(room=0):
                client.connect(one.address)
                await until(lambda: one.troubles)
                one.acceptor.close()
            await asyncio.sleep(acceptor_module.PAUSE * 1.5)
            client.close()

    run_async(body())


def _peer(sock):
    try:
        return sock.getpeername()
    except OSError:  # it has reset the connection
        return None


def test_clients_that_reset_before_they_are_accepted_do_no_harm(run_async, loop_kind):
    async def body():
        with Accepting() as one:
            before = count_fds()
            for _ in range(300):
                client = socket.create_connection(one.address)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
            with socket.create_connection(one.address) as last:
                await until(lambda: last.getsockname() in map(_peer, one.accepted))
            for sock in one.accepted:
                sock.close()
            assert one.troubles == []
            assert count_fds() == before

    run_async(body())
