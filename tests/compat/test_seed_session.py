"""The session of the first README, command by command, and the examples beside it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers import ROOT, http_get, pick_port


@pytest.fixture
def shell(tmp_path):
    """Run a program as a user would, who has a home of their own."""
    home = {
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "KETTLINGARD_SOCKET": str(tmp_path / "no-supervisor.sock"),
    }

    def run(module, *words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **home},
            stdin=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def kitten(shell):
    """The running kitten: a function for its commands, and its port."""
    port = pick_port()
    shell("examples.kitten", "start", f"--worker-listen-port={port}", "--purr-interval=0.01")
    yield lambda *words, code=0: shell("examples.kitten", *words, code=code), port
    shell("examples.kitten", "stop")
    shell("examples.kitten", "ping", code=1)


def test_help_lists_what_the_docstrings_say(shell):
    text = shell("examples.kitten", "help")
    assert "mykitten - a small service" in text
    assert "Meow once. Needs no credentials." in text


def test_without_a_service_ping_says_so_and_stop_has_nothing_to_do(shell):
    shell("examples.kitten", "ping", code=1)
    shell("examples.kitten", "stop", code=1)


def test_the_session_of_the_seed(kitten, tmp_path):
    run, port = kitten
    assert run("ping") == f"Pong via {tmp_path}/state/mykitten/Kitty.sock!\n"
    assert run("meow") == "Meow world, meow!\n"
    assert run("purr", 2, "--purr=rarr") == "Kitty says rarr\nKitty says rarrrarr\n"
    assert json.loads(run("config", "--json"))["worker_listen_port"] == port
    assert http_get(f"http://127.0.0.1:{port}/meow").body == b"Meow world, meow!\n"


def test_methods_may_call_their_neighbours_and_have_other_names(kitten):
    run, _ = kitten
    expected = "Meow world, meow!\nKitty says purr\nKitty says purrpurr\n"
    assert run("both", 2) == expected
    assert run("mrow", 2) == expected


def test_public_methods_need_no_credentials_and_private_ones_do(kitten):
    _, port = kitten
    base = f"http://127.0.0.1:{port}"
    assert http_get(f"{base}/purr").status == 403
    page = http_get(base)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"Kitty" in page.body
    picture = http_get(f"{base}/blank")
    assert picture.headers["Content-Type"] == "image/gif"
    assert picture.body.startswith(b"GIF89a")
    assert picture.body.endswith(b";")
    slow = http_get(f"{base}/slow_meow?count=2")
    assert slow.headers["Content-Type"] == "text/plain"
    assert slow.body == b"Meow 1\nMeow 2\n"


def test_a_stream_is_printed_as_it_comes(shell, tmp_path):
    shell("examples.kitten", "start", "--worker-use-tcp=no", "--purr-interval=0.3")
    try:
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "examples.kitten", "purr", "3"],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")},
        ) as purring:
            assert purring.stdout.readline() == b"Kitty says purr\n"
            first = time.monotonic() - began
            purring.stdout.read()
            assert time.monotonic() - began - first > 0.5
    finally:
        shell("examples.kitten", "stop")


def test_settings_come_from_a_file_too(shell):
    config = "--worker-config=examples/kitten.cfg"
    shell("examples.kitten", "start", config, f"--worker-listen-port={pick_port()}")
    shell("examples.kitten", "ping", code=1)  # that would be Kitty
    assert shell("examples.kitten", config, "purr") == "Spot says purr\n"
    shell("examples.kitten", config, "stop")


def test_the_app_starts_the_service_uses_it_and_ends_it(shell):
    said = shell("examples.app", f"--worker-listen-port={pick_port()}", "--purr-interval=0.01")
    assert "Our first meow: Meow world, meow!" in said
    assert said.endswith("purr\npurrpurr\npurrpurrpurr\n")
    shell("examples.kitten", "ping", code=1)


def test_serve_runs_in_the_foreground_until_a_signal(tmp_path):
    port = pick_port()
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, "-m", "examples.kitten", "serve", f"--worker-listen-port={port}"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as serving:
        deadline = time.monotonic() + 10
        while not (tmp_path / "state" / "mykitten" / "Kitty.url").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert http_get(f"http://127.0.0.1:{port}/meow").status == 200
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(10) == 0
    assert list((tmp_path / "state" / "mykitten").glob("Kitty.[us]*")) == []


def test_filecat_reads_what_its_callers_have_open(shell, tmp_path, monkeypatch):
    import asyncio

    from examples.filecat import FileCat

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    text = tmp_path / "poem.txt"
    text.write_bytes(b"a cat\nand " + b"x" * 100_000 + b" another\n")
    shell("examples.filecat", "start", "--worker-use-tcp=no")

    async def use():
        kitty = await FileCat(args=[]).connect()
        with text.open("rb") as file:
            parts = [part["data"] async for part in kitty.cat(file)]
        with text.open() as file:
            count = await kitty.count(file)
        borrowed = await kitty.borrow(str(text))
        borrowed = borrowed[0] if isinstance(borrowed, list) else borrowed
        kitty.close()
        with borrowed:
            return b"".join(parts), count, borrowed.read()

    try:
        parts, count, borrowed = asyncio.run(use())
        assert shell("examples.filecat", "show", text).endswith(" another\n")
    finally:
        shell("examples.filecat", "stop")
    assert parts == borrowed == text.read_bytes()
    assert (count["lines"], count["words"], count["bytes"]) == (2, 5, 100_019)


def test_search_indexes_its_texts_and_finds_them(shell):
    port = pick_port()
    shell("examples.search", "start", f"--worker-listen-port={port}")
    try:
        assert "unchanged" in shell("examples.search", "index")
        assert "kitchen/coffee.txt: Coffee" in shell("examples.search", "query", "cafe")
        found = json.loads(http_get(f"http://127.0.0.1:{port}/search?q=open+file").body)
        assert found["hits"][0]["path"] == "unix/descriptors.txt"
        assert "**open** **file**" in found["hits"][0]["snippet"] or "**open file**" in str(found)
        text = http_get(f"http://127.0.0.1:{port}/search?q=purr*&format=text")
        assert text.body.startswith(b"cats/purring.txt: Purring\n")
        assert http_get(f"http://127.0.0.1:{port}/search?q=*").status == 400
        assert http_get(f"http://127.0.0.1:{port}/search?q=cat&limit=5000").status == 400
        assert http_get(f"http://127.0.0.1:{port}/query?query=cat").status == 403
        assert b"<b>cat</b>" in http_get(f"http://127.0.0.1:{port}/?q=cat").body
        assert b'value="&lt;b&gt; cat"' in http_get(f"http://127.0.0.1:{port}/?q=%3Cb%3E+cat").body
    finally:
        shell("examples.search", "stop")
