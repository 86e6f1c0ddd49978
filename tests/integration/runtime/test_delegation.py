"""`call_reply_to`: another service answers, to a request being served, a socket or a file."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from pathlib import Path

import pytest

from kettlingar import HttpError
from tests.helpers import descriptors, http_get

from .catpong import CatPong, SecureCatPong


@pytest.fixture
def pair(start_kitten):
    """Two services in one folder, each knowing the other."""
    yield from two_of(CatPong, start_kitten)


@pytest.fixture
def secure_pair(start_kitten):
    """The same two, to whom people come by TLS."""
    pytest.importorskip("cryptography", reason="extra 'tls'")
    yield from two_of(SecureCatPong, start_kitten)


def two_of(kitten, start_kitten):
    one = start_kitten(kitten)
    state = one.kitten.config.app_state_dir
    folders = [f"--app-state-dir={state}", f"--app-data-dir={state}"]
    other = kitten(args=[*folders, "--worker-name=meowzer"]).sync_proxy()
    other.connect(auto_start=True)
    one.proxy.play_with("meowzer")
    other.play_with("milton")
    yield one, other
    other.quitquitquit()
    other.close()


def test_two_services_take_turns_in_the_middle_of_one_stream(pair):
    one, other = pair
    said = list(one.proxy.ping_pong("mousey", 10))
    assert [line.split(",")[0] for line in said] == ["I am milton", "I am meowzer"] * 5
    assert said[-1] == "I am meowzer, I am keeping mousey"
    assert list(other.ping_pong("ball", 2))[1] == "I am milton, I am keeping ball"
    assert len(list(one.proxy.ping_pong("again", 3))) == 3


def test_the_turns_are_plain_http_to_a_plain_client(pair):
    one, _ = pair
    answer = http_get(f"{one.private_url}/ping_pong?ball=wool&count=4")
    assert answer.status == 200
    lines = [json.loads(line) for line in answer.body.splitlines()]
    said = [line.split()[2] if isinstance(line, str) else line for line in lines]
    assert said == ["milton,", "meowzer,"] * 2


def test_a_whole_answer_may_come_from_elsewhere(pair):
    one, _ = pair
    assert http_get(f"{one.private_url}/pass_on?text=hello").body == b"HELLO"
    assert one.proxy.pass_on("quiet")["data"] == "QUIET"


def test_an_error_of_the_other_service_reaches_the_reader_in_mid_stream(pair):
    one, _ = pair
    items = one.proxy.breaks_there()
    assert next(items) == {"begun": True}
    with pytest.raises(HttpError, match="coffee"):
        next(items)


def test_an_encrypted_request_is_answered_by_others_all_the_same(secure_pair, wait_for):
    one, _ = secure_pair
    pid = _pid_of(one)
    before = len(descriptors(pid))
    answer = by_tls(one, "ping_pong?ball=wool&count=4")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"0\r\n\r\n")
    said = [line.split()[2] for line in answer.splitlines() if line.startswith(b'"I am')]
    assert said == [b"milton,", b"meowzer,", b"milton,", b"meowzer,"]
    assert by_tls(one, "pass_on?text=hello").endswith(b"\r\n\r\nHELLO")
    broken = by_tls(one, "breaks_there")
    assert b"cannot make coffee" in broken
    assert not broken.endswith(b"0\r\n\r\n")
    wait_for(lambda: len(descriptors(pid)) <= before)


def by_tls(one, path):
    """All that is answered until the end, which is a proper one."""
    config = one.kitten.config
    context = ssl.create_default_context(
        cafile=Path(config.app_state_dir, f"{config.app_name}.pem")
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    data = b""
    with (
        socket.create_connection(("127.0.0.1", one.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        sock.sendall(f"GET /{one.secret}/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while more := sock.recv(4096):  # an end without close_notify would be an SSLEOFError
            data += more
    return data


@pytest.mark.parametrize("spelling", ["call_reply_to", "call_reply_to_fd"])
def test_a_socket_gets_the_answer_and_the_caller_is_told_at_once(run_async, start_kitten, spelling):
    one = start_kitten(CatPong)

    async def call():
        kitty = CatPong(args=[f"--app-state-dir={one.kitten.config.app_state_dir}"])
        await kitty.connect()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            told = await kitty.call("shout", "hello", **{spelling: theirs})
            theirs.close()
            ours.settimeout(5)
            data = b""
            while more := await asyncio.to_thread(ours.recv, 4096):
                data += more
        kitty.disconnect()
        return told, data

    told, data = run_async(call())
    assert told == {"replied_to_first_fd": True}
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.endswith(b"\r\n\r\nHELLO")


def test_a_blocking_client_may_have_its_answer_go_elsewhere_too(start_kitten, tmp_path, wait_for):
    proxy = start_kitten(CatPong).proxy
    path = tmp_path / "answer"
    with path.open("wb") as file:
        assert proxy.shout("hello", call_reply_to=file) == {"replied_to_first_fd": True}
        assert list(proxy.many(0, call_reply_to_fd=file)) == [{"replied_to_first_fd": True}]
    wait_for(lambda: path.read_bytes().endswith(b"0\r\n\r\n"))
    assert path.read_bytes().count(b"HTTP/1.1 200 OK\r\n") == 2
    with path.open("wb") as file, pytest.raises(ValueError, match="over TCP"):
        proxy.shout("hello", call_reply_to=file, call_allow_unix=False)
    assert path.read_bytes() == b""


def test_an_open_file_gets_a_whole_stream(run_async, start_kitten, tmp_path, wait_for):
    one = start_kitten(CatPong)
    pid = _pid_of(one)
    before = len(descriptors(pid))
    path = tmp_path / "answer"

    async def call():
        kitty = CatPong(args=[f"--app-state-dir={one.kitten.config.app_state_dir}"])
        await kitty.connect()
        with path.open("wb") as file:
            replies = kitty.many(200, call_reply_to=file, call_use_json=True)
            told = [reply async for reply in replies]
        kitty.disconnect()
        return told

    assert run_async(call()) == [{"replied_to_first_fd": True}]
    wait_for(lambda: path.read_bytes().endswith(b"0\r\n\r\n"))
    data = path.read_bytes()
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.count(b'"fill"') == 200
    wait_for(lambda: len(descriptors(pid)) <= before)


def _pid_of(one):
    log = Path(one.kitten.config.app_state_dir, "milton.log").read_text()
    return int(log.partition("pid=")[2].split()[0])


def test_only_callers_with_credentials_may_have_answers_sent_elsewhere(run_kitten):
    one = run_kitten(CatPong)
    with socket.create_connection(("127.0.0.1", one.port)) as stranger:
        stranger.settimeout(5)
        stranger.sendall(
            b"GET /ping HTTP/1.1\r\nHost: x\r\nKettlingar-Reply-To: answer\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert b" 400 " in stranger.recv(4096)
