"""Honest refusals: they arrive, they end, and they cost little."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time

import pytest

from kettlingard.host.refusal import Refusals, unavailable
from tests.integration.ingress.conftest import GET, Client, fact


def test_when_nobody_comes_in_time_the_answer_is_a_503(run_async, loop_kind, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(hold_timeout=0.05)
            client = await Client.connect(address)
            answer = await client.answer()
            assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nRetry-After: 1\r\n" in answer
            assert b"no instance of blog is ready" in answer
            assert f.ingress.counts()["answered_503"] == 1
            assert f.ingress.counts()["held"] == 0

    run_async(go())


def test_those_who_came_first_keep_their_place_when_too_many_wait(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(max_held=3)
            first = [await Client.connect(address) for _ in range(3)]
            await fact(lambda: f.ingress.counts()["held"] == 3)
            late = [await Client.connect(address) for _ in range(4)]
            for client in late:
                assert b"503" in await client.answer()
            run = f.start("serve")
            assert {await client.body() for client in first} == {str(f.pid(run))}

    run_async(go())


@pytest.mark.parametrize("keys", [{"max_held": 0}, {"hold_timeout": 0.0}])
def test_without_room_or_time_to_wait_the_answer_comes_at_once(run_async, farm, keys):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(**keys)
            assert b"503" in await (await Client.connect(address)).answer()

    run_async(go())


def test_a_refusal_arrives_although_a_large_body_was_not_read(run_async, loop_kind, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(max_held=0)
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
            client = await Client.connect(address, head + b"x" * 3_000_000)
            assert (await client.answer()).startswith(b"HTTP/1.1 503 ")
            await fact(lambda: len(f.refusals) == 0)

    run_async(go())


def test_a_client_that_never_closes_is_closed_after_a_while(run_async):
    async def go() -> None:
        refusals = Refusals(asyncio.get_running_loop(), linger=0.05)
        ours, theirs = socket.socketpair()
        refusals.refuse(ours, unavailable("no"))
        assert len(refusals) == 1
        await fact(lambda: len(refusals) == 0)
        assert theirs.recv(10_000).startswith(b"HTTP/1.1 503")
        assert theirs.recv(1) == b""
        theirs.close()

    run_async(go())


def test_a_tls_client_is_not_answered_with_text(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(hold_timeout=0.1)
            client = await Client.connect(address, b"\x16\x03\x01\x00\x05hello")
            assert await client.ending() == b""

    run_async(go())


def test_closing_refuses_those_who_wait_and_lets_workers_finish(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            run = f.start("serve")
            slow = await Client.connect(address, GET[:10])
            await fact(lambda: f.ingress.in_flight(run) == 1)
            f.ingress.withdraw(run)
            waiting = await Client.connect(address)
            await fact(lambda: f.ingress.counts()["held"] == 1)
            f.ingress.close()
            assert b"503" in await waiting.answer()
            slow._writer.write(GET[10:])
            assert await slow.body() == str(f.pid(run))
            with pytest.raises(ConnectionRefusedError):
                await Client.connect(address)

    run_async(go())


def test_what_a_worker_gives_back_after_the_service_has_closed_is_refused_at_once(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            deaf = f.start("deaf")
            client = await Client.connect(address)
            await fact(lambda: f.ingress.in_flight(deaf) == 1)
            f.ingress.withdraw(deaf)
            f.ingress.close()
            await f.kill(deaf)
            assert b"503" in await client.answer()

    run_async(go())


def test_at_the_limit_of_open_files_clients_are_served_or_refused_without_spinning(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            run = f.start("serve", admit=False)
            # They are in the kernel's backlog: the loop has had no turn yet.
            host, _, port = address.rpartition(":")
            clients = [socket.create_connection((host, int(port))) for _ in range(20)]
            for client in clients:
                client.sendall(GET)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            highest = max(map(int, os.listdir("/proc/self/fd")))
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, hard))
            try:
                f.admit(run)
                cpu, wall = time.process_time(), time.monotonic()
                for client in clients:
                    client.setblocking(False)
                    answer = b""
                    while not answer.endswith((str(f.pid(run)).encode(), b"\n")):
                        answer += await f.loop.sock_recv(client, 10_000)
                    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
                busy = (time.process_time() - cpu) / (time.monotonic() - wall)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for client in clients:
                    client.close()
            assert busy < 0.8
            await fact(lambda: f.ingress.in_flight(run) == 0)

    run_async(go())
