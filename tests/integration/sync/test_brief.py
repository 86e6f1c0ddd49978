"""The client of `ctl`: the usual answer it reads by itself, all others the one that parses them."""

import os
import socket
import time

import pytest

from kettlingar import errors
from kettlingar.cli.brief import Brief, connect
from kettlingar.sync import BlockingStream
from tests.integration.sync.scripted import serving

DATE = "Tue, 24 Nov 2026 03:33:26 GMT"


def usual(body, more=""):
    """An answer as our server writes it."""
    head = f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()


@pytest.fixture
def asked(tmp_path):
    """Runs `use(client)` against a service that does what `script(peer, number)` says."""
    path = str(tmp_path / "s.sock")

    def run(script, use, timeout=5.0):
        with (
            serving(script, path) as (_, service),
            Brief(connect(path, timeout), lambda: connect(path, timeout)) as client,
        ):
            result = use(client)
        assert not service.errors
        return result, service.connections

    return run


def whole(client):
    """It has needed the client that parses."""
    return client._client is not None


def test_the_usual_answer_is_read_and_the_connection_is_used_again(asked):
    def script(peer, _):
        while request := peer.request():
            assert request.head.startswith("POST /purr HTTP/1.1\r\n")
            peer.sock.sendall(usual(f'{{"got":{len(request.arguments["_args"])}}}'))

    def use(client):
        said = [client.call("purr", 1), client.call("purr", "x", [2], times=3)]
        return said, whole(client)

    assert asked(script, use) == (([{"got": 1}, {"got": 2}], False), 1)


def test_it_may_come_in_pieces(asked):
    answer = usual('{"text":"' + "m" * 200_000 + '"}')

    def script(peer, _):
        peer.request()
        for start in range(0, len(answer), 50_000):
            peer.sock.sendall(answer[start : start + 50_000])
            time.sleep(0.01)  # so that they are read one by one

    said, _ = asked(script, lambda client: client.call("purr"))
    assert said == {"text": "m" * 200_000}


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (usual('{"a":1}').replace(b"Date: ", b"date: "), {"a": 1}),
        (usual('{"a":1}').replace(b"200 OK", b"200 Fine"), {"a": 1}),
        (usual('{"a":1}', "X-More: 1\r\n"), {"a": 1}),
        (usual('["\\u00e9"]'), ["é"]),
        (usual('{"__base64__":"AP8="}'), b"\0\xff"),
        (usual("text").replace(b"application/json", b"text/plain"),
         {"mimetype": "text/plain", "data": "text"}),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[1]", [1]),
        (usual("[1]")[:-3].replace(b"Content-Length: 3", b"Transfer-Encoding: chunked")
         .replace(b"200 OK", b"200 OK") + b"3\r\n[1]\r\n0\r\n\r\n", "stream"),
    ],
)  # fmt: skip
def test_every_other_answer_is_read_too(asked, answer, value):
    def script(peer, _):
        peer.request()
        peer.sock.sendall(answer)

    def use(client):
        said = client.call("purr")
        if isinstance(said, BlockingStream):
            assert list(said) == [[1]]
            return "stream"
        return said

    assert asked(script, use)[0] == value


@pytest.mark.parametrize("cut", [1, 30, 60, 100])
def test_a_head_that_comes_in_two_pieces_is_read(asked, cut):
    answer = usual('{"a":[1,2,3]}')

    def script(peer, _):
        peer.request()
        peer.sock.sendall(answer[:cut])
        time.sleep(0.02)
        peer.sock.sendall(answer[cut:])

    assert asked(script, lambda client: client.call("purr"))[0] == {"a": [1, 2, 3]}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("404 Not Found", errors.NotFound),
        ("403 Forbidden", PermissionError),
        ("500 Internal Server Error", errors.RemoteError),
    ],
)
def test_an_error_is_raised_as_what_it_is(asked, status, kind):
    def script(peer, _):
        peer.request()
        peer.answer({"error": "no such cat", "type": "CatError"}, status)

    def use(client):
        with pytest.raises(kind, match="no such cat"):
            client.call("purr")

    asked(script, use)


@pytest.mark.parametrize(
    "answer",
    [
        usual('{"a":1,"a":2}'),
        usual("[NaN]"),
        usual("[1]x"),
        usual("[1]") + b"more",
        usual("[1]").replace(b"Content-Length: 3", b"Content-Length: +3"),
        usual("[1]").replace(b"Content-Length: 3", b"Content-Length: 3\r\nContent-Length: 4"),
        usual("[1]").replace(DATE[:10].encode(), b"x\r\nFoo: bar"[:10]),
    ],
)
def test_what_is_no_sound_answer_is_refused_or_ends_the_connection(asked, answer):
    def script(peer, _):
        peer.request()
        peer.sock.sendall(answer)

    def use(client):
        try:
            return client.call("purr")
        except OSError:
            return "refused"

    assert asked(script, use)[0] in ("refused", [1])


def test_silence_has_an_end(asked):
    def script(peer, _):
        peer.request()
        peer.request()

    def use(client):
        with pytest.raises(TimeoutError, match=r"cannot call purr: no answer within 0\.1 s"):
            client.call("purr", call_timeout=0.1)

    asked(script, use)


def test_an_answer_that_stops_in_the_middle_is_no_answer(asked):
    def script(peer, _):
        peer.request()
        peer.sock.sendall(usual('{"a":1}')[:-2])

    def use(client):
        with pytest.raises(OSError, match="answer"):
            client.call("purr")

    asked(script, use)


def test_a_connection_that_was_closed_before_the_question_came_is_opened_anew(asked):
    def script(peer, number):
        if number == 1:
            peer.sock.shutdown(socket.SHUT_RDWR)
            return
        peer.request()
        peer.answer("again")

    def use(client):
        time.sleep(0.05)
        return client.call("purr")

    assert asked(script, use) == ("again", 2)


def test_an_argument_that_json_has_no_words_for_goes_the_other_way(asked):
    def script(peer, _):
        request = peer.request()
        peer.answer(request.arguments["_args"])

    assert asked(script, lambda client: client.call("purr", b"\0\xff"))[0] == [b"\0\xff"]


@pytest.mark.parametrize("known", [True, False])
def test_a_socket_is_handed_over(asked, known):
    tag = '"index":0,"kind":"socket","mode":"","encoding":null,"family":1,"type":1,"proto":0'
    body = f'[{{"__fd__":{{{tag}}}}}]'
    answer = usual(body, "Kettlingar-Fds: 1\r\n")
    if not known:
        answer = answer.replace(b"Date", b"date")

    def script(peer, _):
        peer.request()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(peer.sock, [answer], [theirs.fileno()])
            ours.sendall(b"hello")
            peer.request()

    def use(client):
        found = client.connected("connect", "cat")
        try:
            assert not os.get_inheritable(found.fileno())
            return found.recv(5)
        finally:
            found.close()

    assert asked(script, use)[0] == b"hello"


def test_descriptors_that_nobody_asked_for_are_closed(asked):
    def script(peer, _):
        peer.request()
        reading, writing = os.pipe()
        socket.send_fds(peer.sock, [usual("[1]", "Kettlingar-Fds: 1\r\n")], [writing])
        os.close(writing)
        assert os.read(reading, 1) == b""  # its other end is nobody's
        os.close(reading)

    assert asked(script, lambda client: client.call("purr"))[0] == [1]


def test_a_stream_comes_item_by_item(asked):
    def script(peer, _):
        peer.request()
        peer.start_stream()
        peer.items(1, 2)
        peer.end_stream()

    assert asked(script, lambda client: list(client.stream("purr")))[0] == [1, 2]


def test_a_long_path_is_connected_to(tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = str(folder / "s.sock")

    def script(peer, _):
        peer.request()
        peer.sock.sendall(usual("[1]"))

    with serving(script, path), Brief(connect(path, 5), lambda: connect(path, 5)) as client:
        assert client.call("purr") == [1]


def test_where_nobody_answers_that_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        connect(str(tmp_path / "nobody.sock"), 5)
