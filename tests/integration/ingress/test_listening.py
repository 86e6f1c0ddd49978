"""Listeners of a service: changed in one step, never closed without need."""

from __future__ import annotations

import grp
import os
import pwd
import socket

import pytest

from kettlingard.core.listeners import ListenerSpec
from kettlingard.errors import ListenError
from tests.integration.ingress.conftest import Client, Farm, fact


def spec(stream: str, name: str = "http", **keys: object) -> ListenerSpec:
    return ListenerSpec(name=name, stream=stream, **keys)


def addresses(f: Farm) -> list[str]:
    return [str(one["address"]) for one in f.ingress.describe()]


def inode(f: Farm) -> int:
    """Which socket it is that listens."""
    import os

    [front] = f.ingress._fronts
    return os.fstat(front._acceptor.sock.fileno()).st_ino


def test_a_listener_whose_address_stays_is_the_same_socket(run_async, farm, free_port):
    async def go() -> None:
        async with farm() as f:
            stream = f"127.0.0.1:{free_port()}"
            f.ingress.open([spec(stream)])
            before = inode(f)
            waiting = await Client.connect(stream)
            f.ingress.open([spec(stream, name="renamed", backlog=7, max_held=3)])
            assert inode(f) == before
            assert f.ingress.describe()[0]["name"] == "renamed"
            assert f.ingress.describe()[0]["backlog"] == 7
            f.start("serve")
            assert (await waiting.body()).isdigit()

    run_async(go())


def test_an_address_that_cannot_be_had_changes_nothing(run_async, farm, free_port):
    async def go() -> None:
        async with farm() as f:
            one, other = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
            f.ingress.open([spec(one)])
            before = inode(f)
            with socket.create_server(("127.0.0.1", 0)) as taken:
                stream = f"127.0.0.1:{taken.getsockname()[1]}"
                with pytest.raises(ListenError):
                    f.ingress.open([spec(other, name="a"), spec(stream, name="b")])
            assert addresses(f) == [one]
            assert inode(f) == before
            with pytest.raises(ConnectionRefusedError):
                await Client.connect(other)

    run_async(go())


def test_one_address_can_become_all_addresses_and_back(run_async, farm, free_port):
    async def go() -> None:
        async with farm() as f:
            port = free_port()
            f.start("serve")
            for stream in (f"127.0.0.1:{port}", f"0.0.0.0:{port}", f"127.0.0.1:{port}"):
                f.ingress.open([spec(stream)])
                assert addresses(f) == [stream]
                assert (await (await Client.connect(f"127.0.0.1:{port}")).body()).isdigit()

    run_async(go())


def test_a_change_that_does_not_work_out_is_taken_back(run_async, farm, free_port):
    async def go() -> None:
        async with farm() as f:
            port = free_port()
            f.ingress.open([spec(f"127.0.0.1:{port}")])
            with socket.create_server(("127.0.0.1", 0)) as taken:
                stream = f"127.0.0.1:{taken.getsockname()[1]}"
                with pytest.raises(ListenError):
                    f.ingress.open([spec(f"0.0.0.0:{port}", "a"), spec(stream, "b")])
            assert addresses(f) == [f"127.0.0.1:{port}"]
            f.start("serve")
            assert (await (await Client.connect(f"127.0.0.1:{port}")).body()).isdigit()

    run_async(go())


def test_the_path_of_a_unix_listener_is_removed_with_it(run_async, farm, tmp_path):
    async def go() -> None:
        path = tmp_path / "blog.sock"
        async with farm() as f:
            f.listen(str(path), socket_mode=0o600)
            assert path.stat().st_mode & 0o777 == 0o600
            f.ingress.open([spec(str(path), socket_mode=0o666)])
            assert path.stat().st_mode & 0o777 == 0o666
        assert not path.exists()

    run_async(go())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a socket away")
def test_a_unix_listener_belongs_to_whom_the_definition_says(run_async, farm, tmp_path):
    async def go() -> None:
        path = tmp_path / "blog.sock"
        async with farm() as f:
            f.listen(str(path), socket_user="nobody", socket_group="daemon")
            found = path.stat()
            assert pwd.getpwuid(found.st_uid).pw_name == "nobody"
            assert grp.getgrgid(found.st_gid).gr_name == "daemon"
            f.ingress.open([spec(str(path), socket_group="daemon")])
            assert path.stat().st_uid == 0
            with pytest.raises(ListenError, match='has no user "nobody-at-all"'):
                f.ingress.open([spec(f"{path}.2", "other", socket_user="nobody-at-all")])

    run_async(go())


def test_an_address_that_is_not_there_yet_can_be_listened_on(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            with pytest.raises(ListenError):
                f.listen("192.0.2.1:0")  # RFC 5737: nobody's
            assert f.listen("192.0.2.1:0", freebind=True).startswith("192.0.2.1:")

    run_async(go())


def test_a_socket_for_ipv6_alone_is_another_socket(run_async, farm, free_port):
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")

    async def go() -> None:
        port = free_port()
        async with farm() as f:
            f.ingress.open([spec(f"[::]:{port}")])
            (await Client.connect(f"127.0.0.1:{port}")).close()
            f.ingress.open([spec(f"[::]:{port}", ipv6_only=True)])
            with pytest.raises(ConnectionRefusedError):
                await Client.connect(f"127.0.0.1:{port}")

    run_async(go())


def test_a_path_that_is_somebody_elses_by_now_is_left_alone(run_async, farm, tmp_path):
    async def go() -> None:
        path = tmp_path / "blog.sock"
        async with farm() as f:
            f.listen(str(path))
            path.unlink()
            path.write_text("precious")
        assert path.read_text() == "precious"

    run_async(go())


def test_ipv6_is_accepted_too(run_async, farm):
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")

    async def go() -> None:
        async with farm() as f:
            address = f.listen("[::1]:0")
            dying = f.start("deaf")
            client = await Client.connect(address)
            await fact(lambda: f.ingress.in_flight(dying) == 1)
            f.start("serve")
            await f.kill(dying)
            assert (await client.body()).isdigit()

    run_async(go())
