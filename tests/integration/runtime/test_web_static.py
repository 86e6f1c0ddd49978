"""Static files of a web kitten: whole, in parts, and none that is not in the folder."""

from __future__ import annotations

import asyncio
import os

import pytest

from .test_serving import get, raw
from .test_web import with_site

ALL_BYTES = bytes(range(256)) * 1024


@pytest.fixture
def folder(tmp_path):
    static = tmp_path / "static"
    (static / "deep").mkdir(parents=True)
    (static / "all.bin").write_bytes(ALL_BYTES)
    (static / "deep" / "page.html").write_text("<p>å")
    (static / "empty.txt").write_bytes(b"")
    (static / "100%41.txt").write_text("odd name")
    (static / ".hidden").write_text("hidden")
    os.mkfifo(static / "pipe.txt")
    (tmp_path / "outside.txt").write_text("outside")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file.txt").write_text("outside")
    (static / "link.txt").symlink_to(tmp_path / "outside.txt")
    (static / "linked").symlink_to(tmp_path / "other")
    return static


def test_files_come_as_they_are(run_async, loop_kind, folder):
    async def check(kitty):
        status, headers, body = await get(kitty, "/test/static/all.bin")
        assert (status, body) == (200, ALL_BYTES)
        assert headers["content-type"] == "application/octet-stream"
        assert headers["content-length"] == str(len(ALL_BYTES))
        _, headers, body = await get(kitty, "/test/static/deep/page.html")
        assert (headers["content-type"], body) == ("text/html; charset=utf-8", "<p>å".encode())
        assert (await get(kitty, "/test/static/empty.txt"))[2] == b""
        assert (await get(kitty, "/test/static/100%2541.txt"))[2] == b"odd name"
        # Those beside the code are found as well.
        _, headers, body = await get(kitty, "/test/static/style.css")
        assert (headers["content-type"], body[:4]) == ("text/css; charset=utf-8", b"body")

    with_site(run_async, check, folder=folder)


def test_clients_get_files_by_the_method(run_async, folder):
    async def check(kitty):
        items = [item async for item in kitty.client.web_static("all.bin")]
        assert b"".join(item["data"] for item in items) == ALL_BYTES

    with_site(run_async, check, folder=folder)


def test_a_file_that_the_browser_has_is_not_sent_again(run_async, folder):
    async def check(kitty):
        path = "/test/static/all.bin"
        tag = (await get(kitty, path))[1]["etag"]
        for method in ("GET", "HEAD"):
            status, headers, body = await get(
                kitty, path, method, headers={"If-None-Match": f'"x", W/{tag}'}
            )
            assert (status, body, headers["etag"]) == (304, b"", tag)
            assert "content-length" not in headers
            assert "transfer-encoding" not in headers
        (folder / "all.bin").write_bytes(b"new")
        answer = await get(kitty, path, headers={"If-None-Match": tag})
        assert (answer[0], answer[2]) == (200, b"new")

    with_site(run_async, check, folder=folder)


def test_a_part_of_a_file_may_be_asked_for(run_async, folder):
    async def check(kitty):
        path = "/test/static/all.bin"
        tag = (await get(kitty, path))[1]["etag"]

        async def part(asked, **more):
            headers = {"Range": asked, **{k.replace("_", "-"): v for k, v in more.items()}}
            return await get(kitty, path, headers=headers)

        status, headers, body = await part("bytes=100000-200000")
        assert (status, body) == (206, ALL_BYTES[100000:200001])
        assert headers["content-range"] == f"bytes 100000-200000/{len(ALL_BYTES)}"
        assert (await part("bytes=-5"))[2] == ALL_BYTES[-5:]
        status, headers, body = await part("bytes=999999-")
        assert (status, body) == (416, b"")
        assert headers["content-range"] == f"bytes */{len(ALL_BYTES)}"
        assert (await part("bytes=0-1", if_range=tag))[0] == 206
        assert (await part("bytes=0-1", if_range='"old"'))[0] == 200

    with_site(run_async, check, folder=folder)


def test_head_says_what_get_would(run_async, folder):
    async def check(kitty):
        path = "/test/static/all.bin"
        status, headers, body = await get(kitty, path, "HEAD")
        assert (status, body) == (200, b"")
        whole = (await get(kitty, path))[1]
        for name in ("content-length", "content-type", "etag", "accept-ranges"):
            assert headers[name] == whole[name]

    with_site(run_async, check, folder=folder)


def test_the_connection_is_kept_after_a_file_and_the_next_answer_is_whole(run_async, folder):
    async def check(kitty):
        asked = b"GET /test/static/%b HTTP/1.1\r\nHost: h\r\n%b\r\n"
        data = await raw(
            kitty,
            asked % (b"deep/page.html", b"")
            + asked % (b"deep/page.html", b"If-None-Match: *\r\n")
            + asked % (b"deep/page.html", b"Range: bytes=0-1\r\n")
            + asked % (b"deep/page.html", b"Connection: close\r\n"),
        )
        heads = [part.split(b"\r\n")[0] for part in data.split(b"HTTP/1.1 ")[1:]]
        assert [head[:3] for head in heads] == [b"200", b"304", b"206", b"200"]
        assert data.count(b"<p>\xc3\xa5") == 2

    with_site(run_async, check, folder=folder)


@pytest.mark.parametrize(
    "path",
    [
        "../outside.txt",
        "%2e%2e/outside.txt",
        "..%2foutside.txt",
        "%2e%2e%2foutside.txt",
        "deep/../../outside.txt",
        "deep/%2e%2e/all.bin",
        "./all.bin",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "..%5coutside.txt",
        "link.txt",
        "linked/file.txt",
        ".hidden",
        "%2ehidden",
        "all.bin%00.txt",
        "all.bin/",
        "all.bin/x",
        "deep",
        "pipe.txt",
        "nothing.txt",
        "a" * 3000,
        "",
    ],
)
def test_nothing_but_files_of_the_folder_is_sent(run_async, folder, path):
    async def check(kitty):
        if path == "all.bin/":  # the same file: a slash at the end is of no consequence
            assert (await get(kitty, "/test/static/all.bin/"))[0] == 200
            return
        status, _, body = await get(kitty, f"/test/static/{path}")
        assert status == 404
        assert b"Oh noes" in body
        with pytest.raises(KeyError):
            [_ async for _ in kitty.client.web_static(f"../static/{path}")]

    with_site(run_async, check, folder=folder)


def test_a_file_that_shrinks_while_it_is_sent_is_not_passed_off_as_whole(run_async, folder):
    async def check(kitty):
        big = folder / "big.bin"
        size = 64 * 1024 * 1024
        with big.open("wb") as file:
            file.truncate(size)

        reader, writer = await asyncio.open_connection(kitty.host, kitty.port)
        writer.write(b"GET /test/static/big.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        os.truncate(big, 100)
        received = len(await reader.read(-1))
        assert received < size
        writer.close()
        await writer.wait_closed()

    with_site(run_async, check, folder=folder)
