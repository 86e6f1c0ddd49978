from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from kettlingar import errors
from kettlingar.sync import BlockingClient, BlockingStream, NotExecutedError, connect_control
from kettlingar.transport.fdpass import close_all
from tests.integration.sync.scripted import echo, serving


@pytest.fixture(params=["tcp", "unix"])
def path(request, tmp_path):
    """None for TCP, else a path: the test runs over both."""
    return tmp_path / "s.sock" if request.param == "unix" else None


@pytest.fixture
def unix(tmp_path):
    return tmp_path / "s.sock"


def reset(peer):
    """Close so that the client gets a reset."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


# --- calls ---


def test_a_call_returns_what_the_method_returned(path):
    with serving(echo, path) as (client, _):
        assert client.call("purr", 3, purr=b"\0") == {"path": "/purr", "_args": [3], "purr": b"\0"}


def test_calls_one_after_another_use_one_connection(path):
    with serving(echo, path) as (client, service):
        for number in range(20):
            assert client.call("purr", number)["_args"] == [number]
        assert service.connections == 1


def test_the_token_goes_in_a_header_and_the_prefix_in_front(unix):
    def script(peer, _):
        request = peer.request()
        peer.answer([request.path, "Authorization: Bearer TOKEN" in request.head])

    with serving(script, unix) as (client, _):
        assert client.call("purr") == ["/purr", True]

    with serving(echo, unix):

        def connect():
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(unix))
            return sock

        other = BlockingClient(connect, token="T", prefix="/cats/")
        assert other.call("purr")["path"] == "/cats/purr"
        other.close()


def test_json_is_spoken_when_asked_for(path):
    with serving(echo, path) as (client, _):
        assert client.call("purr", call_use_json=True, count=3) == {"path": "/purr", "count": 3}


def test_a_large_argument_and_a_large_answer_arrive(path):
    data = os.urandom(3_000_000)
    with serving(echo, path) as (client, _):
        assert client.call("store", data)["_args"] == [data]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", errors.BadRequest),
        ("403 Forbidden", PermissionError),
        ("404 Not Found", KeyError),
        ("500 Internal Server Error", errors.RemoteError),
    ],
)
def test_a_methods_error_is_raised_and_the_connection_stays(path, status, kind):
    def script(peer, _):
        peer.request()
        peer.answer({"error": "no such cat", "type": "CatError"}, status)
        peer.request()
        peer.answer("fine")

    with serving(script, path) as (client, service):
        with pytest.raises(kind, match="no such cat"):
            client.call("purr")
        assert client.call("purr") == "fine"
        assert service.connections == 1


def test_an_argument_that_cannot_be_sent_leaves_the_connection_as_it_was(path):
    with serving(echo, path) as (client, service):
        with pytest.raises(TypeError, match="cannot send a object"):
            client.call("purr", object())
        assert client.call("purr", 1)["_args"] == [1]
        assert service.connections == 1


def test_an_answer_that_closes_is_followed_by_a_new_connection(path):
    def script(peer, number):
        peer.request()
        peer.answer(number, close=True)

    with serving(script, path) as (client, _):
        assert [client.call("n") for _ in range(3)] == [1, 2, 3]


# --- threads ---


def test_many_threads_call_at_once_and_none_gets_anothers_answer(path):
    wrong = []

    def calls(client, thread):
        asked = [[thread, number] for number in range(50)]
        answered = [client.call("purr", one)["_args"] for one in asked]
        if answered != [[one] for one in asked]:
            wrong.append(thread)

    with serving(echo, path) as (client, service):
        threads = [threading.Thread(target=calls, args=(client, n)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert service.connections <= 20


def test_a_forked_child_does_not_speak_on_its_parents_connection(unix):
    with serving(echo, unix) as (client, service):
        client.call("purr", "parent")
        pid = os.fork()
        if not pid:
            try:
                answer = client.call("purr", "child")["_args"]
                os._exit(0 if answer == ["child"] else 1)
            finally:
                os._exit(2)
        assert os.waitpid(pid, 0)[1] == 0
        assert client.call("purr", "parent")["_args"] == ["parent"]
        assert service.connections == 2


# --- streams ---


def test_a_stream_gives_its_items_as_they_come(path):
    gate = threading.Event()

    def script(peer, _):
        peer.request()
        peer.start_stream()
        peer.items(1, 2)
        gate.wait(5)
        peer.items(3)
        peer.end_stream()
        peer.request()
        peer.answer("next")

    with serving(script, path) as (client, service):
        stream = client.stream("purr")
        assert [next(stream), next(stream)] == [1, 2]
        gate.set()
        assert list(stream) == [3]
        assert list(stream) == []
        assert client.call("other") == "next"
        assert service.connections == 1


def test_a_call_of_a_streaming_method_gives_the_stream(path):
    def script(peer, _):
        peer.request()
        peer.start_stream()
        peer.items("a", "b")
        peer.end_stream()

    with serving(script, path) as (client, _):
        result = client.call("purr")
        assert isinstance(result, BlockingStream)
        assert list(result) == ["a", "b"]


def test_a_stream_may_be_empty_and_a_plain_result_may_be_iterated(path):
    def script(peer, _):
        peer.request()
        peer.start_stream()
        peer.end_stream()
        peer.request()
        peer.answer("alone")

    with serving(script, path) as (client, service):
        assert list(client.stream("none")) == []
        assert list(client.stream("one")) == ["alone"]
        assert service.connections == 1


def test_an_error_in_a_stream_comes_after_its_items(path):
    def script(peer, _):
        peer.request()
        peer.start_stream()
        peer.items(1, {"error": "no more", "type": "PermissionError"})

    with serving(script, path) as (client, _):
        stream = client.stream("purr")
        assert next(stream) == 1
        with pytest.raises(PermissionError, match="no more"):
            next(stream)
        assert list(stream) == []


def test_a_stream_that_breaks_off_is_an_error(path):
    def script(peer, _):
        peer.request()
        peer.start_stream()
        peer.items(1)

    with serving(script, path) as (client, _):
        stream = client.stream("purr")
        assert next(stream) == 1
        with pytest.raises(OSError):
            next(stream)


@pytest.mark.parametrize("how", ["close", "forget", "break"])
def test_a_stream_that_is_left_early_is_ended_at_the_service(path, how):
    ended = threading.Event()

    def script(peer, _):
        peer.request()
        peer.start_stream()
        peer.items(1, 2, 3)
        if not peer.sock.recv(1):
            ended.set()

    with serving(script, path) as (client, _):
        stream = client.stream("purr")
        if how == "close":
            next(stream)
            stream.close()
            assert list(stream) == []
        elif how == "forget":
            del stream
        else:
            for _item in stream:
                break
            del stream
        assert ended.wait(5)


# --- times ---


def test_a_slow_answer_is_a_timeout_and_the_next_call_works(path):
    def script(peer, number):
        peer.request()
        if number == 1:
            peer.sock.recv(1)
        else:
            peer.answer("fast")

    with serving(script, path) as (client, _):
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=r"cannot call slow: no answer within 0.05 s"):
            client.call("slow", call_timeout=0.05)
        assert time.monotonic() - began < 1
        assert client.call("fast", call_timeout=5) == "fast"
        assert client.call("fast") == "fast"


def test_an_answer_in_drips_does_not_outlive_its_time(path):
    def script(peer, _):
        peer.request()
        for _ in range(100):
            peer.sock.sendall(b"H")
            time.sleep(0.02)

    with serving(script, path) as (client, _), pytest.raises((TimeoutError, OSError)):
        client.call("slow", call_timeout=0.1)


def test_each_item_of_a_stream_has_the_time_for_itself(path):
    def script(peer, _):
        peer.request()
        peer.start_stream()
        for number in range(4):  # all of them need more than one may need
            time.sleep(0.3)
            peer.items(number)
        peer.sock.recv(1)

    with serving(script, path) as (client, _):
        stream = client.stream("purr", call_timeout=1)
        assert [next(stream) for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(TimeoutError):
            next(stream)


def test_a_service_that_takes_nothing_is_a_timeout(path):
    with (
        serving(lambda peer, _: time.sleep(0.5), path) as (client, _),
        pytest.raises(TimeoutError),
    ):
        client.call("store", b"x" * 20_000_000, call_timeout=0.1)


# --- when the connection breaks: sent again only if it cannot have run ---


def test_a_connection_that_the_service_closed_while_idle_is_replaced(path):
    closed = threading.Event()

    def script(peer, number):
        peer.request()
        peer.answer(number)
        if number == 1:
            peer.sock.close()
            closed.set()
        else:
            peer.request()

    with serving(script, path) as (client, _):
        assert client.call("n") == 1
        closed.wait(5)
        assert client.call("n") == 2


def test_a_request_that_met_a_closing_connection_is_sent_again(path, monkeypatch):
    """The race behind the check: the service closes after it, and before the request comes."""
    monkeypatch.setattr("kettlingar.sync.connection.Connection.still_there", lambda _: True)
    closed = threading.Event()

    def script(peer, number):
        peer.request()
        peer.answer(number)
        if number == 1:
            peer.sock.close()
            closed.set()

    with serving(script, path) as (client, service):
        assert client.call("n") == 1
        closed.wait(5)
        assert client.call("n") == 2
        assert service.connections == 2


def test_a_request_that_was_left_unread_is_sent_again(path):
    """The service ended with the request in its socket's buffer: the client gets a reset."""

    def script(peer, number):
        if number < 3:
            peer.sock.recv(1, socket.MSG_PEEK)  # it is there, and nobody reads it
        else:
            peer.request()
            peer.answer("run once")

    with serving(script, path) as (client, service):
        assert client.call("n") == "run once"
        assert service.connections == 3


def test_there_is_an_end_to_sending_again(path):
    with serving(lambda peer, _: peer.sock.recv(1, socket.MSG_PEEK), path) as (client, service):
        with pytest.raises(NotExecutedError, match="before it read the request"):
            client.call("n")
        assert service.connections == 3


def test_a_request_that_was_read_is_never_sent_again(path):
    """The service read it and died without a word: it may have run."""
    ran = []

    def script(peer, number):
        peer.request()
        ran.append(number)

    with serving(script, path) as (client, service):
        with pytest.raises(OSError):
            client.call("pay")
        assert (ran, service.connections) == ([1], 1)


def test_a_request_whose_answer_had_begun_is_never_sent_again(path):
    ran = []

    def script(peer, number):
        peer.request()
        ran.append(number)
        peer.sock.sendall(b"HTTP/1.1 200 O")
        if path is None:
            time.sleep(0.05)
            reset(peer)

    with serving(script, path) as (client, _):
        with pytest.raises(OSError):
            client.call("pay")
        assert ran == [1]


def test_an_early_answer_to_a_large_request_is_read_although_sending_failed(path):
    def script(peer, _):
        peer.sock.recv(1)
        peer.answer({"error": "too large"}, "413 Content Too Large", close=True)
        peer.sock.shutdown(socket.SHUT_WR)
        time.sleep(0.1)  # let it be read before the reset throws it away

    with serving(script, path) as (client, _):
        with pytest.raises(errors.HttpError, match="too large") as raised:
            client.call("store", b"x" * 20_000_000)
        assert raised.value.status == 413


def test_nobody_there_is_not_running(tmp_path):
    def nobody():
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(errors.NotRunning, match="cannot reach the service"):
        BlockingClient(nobody).call("purr")


def test_the_control_socket_is_named_when_it_does_not_answer(tmp_path):
    path = tmp_path / "control.sock"
    with pytest.raises(
        errors.NotRunning,
        match=r"cannot reach kettlingard at .*control.sock: nobody answers; is it running\?",
    ):
        connect_control(path).call("ping")


def test_the_control_socket_answers(unix):
    with serving(echo, unix):
        control = connect_control(unix, timeout=5)
        assert control.call("status", ["blog"])["_args"] == [["blog"]]
        control.close()


# --- descriptors ---


def test_an_open_file_goes_as_an_argument(unix, tmp_path):
    (tmp_path / "poem").write_text("cats\n")

    def script(peer, _):
        request = peer.request()
        assert "Kettlingar-Fds: 2" in request.head
        peer.answer([os.read(fd, 100) for fd in request.fds])
        close_all(request.fds)

    with serving(script, unix) as (client, service):
        with open(tmp_path / "poem") as poem, open(tmp_path / "poem", "rb") as again:
            assert client.call("cat", poem, other=again) == [b"cats\n", b"cats\n"]
            assert not poem.closed
        assert service.errors == []


def test_an_open_file_cannot_go_over_tcp_and_nothing_is_sent(tmp_path):
    with serving(echo) as (client, service):
        client.call("purr")
        with open(os.devnull) as file, pytest.raises(ValueError, match="over the unix socket"):
            client.call("cat", file)
        assert client.call("purr", 1)["_args"] == [1]
        assert service.connections == 1


def test_a_file_comes_as_a_result(unix, tmp_path):
    from msgpack import ExtType, packb

    (tmp_path / "poem").write_text("cats\n")

    def script(peer, _):
        peer.request()
        with open(tmp_path / "poem") as poem, open(os.devnull) as unasked:
            fields = {"index": 0, "kind": "file", "mode": "r", "encoding": "utf-8"}
            fds = [poem.fileno(), unasked.fileno()]
            peer.answer(ExtType(2, packb(fields)), fds=fds)
        peer.request()
        peer.answer("next")

    with serving(script, unix) as (client, _):
        with client.call("poem") as poem:
            assert poem.read() == "cats\n"
        assert client.call("other") == "next"


def test_the_file_goes_again_when_the_request_does(unix):
    def script(peer, number):
        if number == 1:
            peer.sock.recv(1, socket.MSG_PEEK)
            return
        request = peer.request()
        peer.answer(len(request.fds))
        close_all(request.fds)

    with serving(script, unix) as (client, service), open(os.devnull) as file:
        assert client.call("cat", file) == 1
        assert service.connections == 2


# --- weight ---


def test_the_blocking_client_loads_no_event_loop():
    code = (
        "import sys; from kettlingar.sync import connect_control;"
        "print({'asyncio', 'threading', 'uvloop', 'logging', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
