"""Who gets a connection: real clients, real workers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from contextlib import suppress

import msgspec
import pytest

from kettlingar.transport.channel import Channel, channel_pair
from kettlingar.transport.fdpass import close_all, recv_fds
from kettlingar.transport.messages import Connections, FromWorker, Progress, ToWorker
from kettlingard.core.custody import Touch
from kettlingard.ingress.worker import CREDIT
from tests.integration.ingress.conftest import GET, Client, fact, touch


async def ask(address: str, times: int) -> Counter[str]:
    clients = await asyncio.gather(*(Client.connect(address) for _ in range(times)))
    return Counter(await asyncio.gather(*(client.body() for client in clients)))


@pytest.mark.parametrize("balance", ["least", "round-robin"])
def test_connections_are_shared_among_the_workers(run_async, loop_kind, farm, balance):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(balance=balance)
            pids = {str(f.pid(f.start("serve"))) for _ in range(2)}
            answers = await ask(address, 40)
            assert set(answers) == pids
            assert min(answers.values()) >= 5
            await fact(lambda: f.ingress.in_flight(1) + f.ingress.in_flight(2) == 0)
            assert f.ingress.counts() == {
                "passed": 40,
                "redispatched": 0,
                "answered_503": 0,
                "lost": 0,
                "held": 0,
            }

    run_async(go())


def test_connections_wait_until_a_worker_is_ready(run_async, loop_kind, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            waiting = [await Client.connect(address) for _ in range(10)]
            await fact(lambda: f.ingress.counts()["held"] == 10)
            assert f.ingress.describe()[0]["held"] == 10
            run = f.start("serve")
            assert f.ingress.counts()["held"] == 0
            assert [await client.body() for client in waiting] == [str(f.pid(run))] * 10

    run_async(go())


def test_a_withdrawn_worker_finishes_what_it_has_and_gets_no_more(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            old = f.start("serve")
            slow = await Client.connect(address, GET[:10])
            await fact(lambda: f.ingress.in_flight(old) == 1)
            f.ingress.withdraw(old)
            new = f.start("serve")
            assert await ask(address, 5) == {str(f.pid(new)): 5}
            slow._writer.write(GET[10:])
            assert await slow.body() == str(f.pid(old))
            await fact(lambda: f.ingress.in_flight(old) == 0)

    run_async(go())


def test_a_worker_that_takes_nothing_gets_only_its_credit_and_the_rest_stays_in_the_kernel(
    run_async, farm
):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            deaf = f.start("deaf")
            clients = [await Client.connect(address) for _ in range(3 * CREDIT)]
            await fact(lambda: f.ingress.in_flight(deaf) == CREDIT)
            assert f.ingress.counts()["held"] < CREDIT
            assert f.ingress.describe()[0]["queued"] > CREDIT
            # And nothing is turned away: with a second worker all of them are answered.
            able = f.start("serve")
            await f.kill(deaf)
            assert {await client.body() for client in clients} == {str(f.pid(able))}
            assert f.ingress.counts()["redispatched"] == CREDIT

    run_async(go())


def test_a_worker_can_give_connections_back(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            f.start("return")
            clients = [await Client.connect(address) for _ in range(5)]
            await fact(lambda: f.ingress.counts()["held"] == 5)
            able = f.start("serve")
            assert {await client.body() for client in clients} == {str(f.pid(able))}
            assert f.ingress.counts()["redispatched"] >= 5

    run_async(go())


def test_a_worker_that_gives_everything_back_is_not_asked_without_a_pause(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(hold_timeout=0.35)
            f.start("return")
            client = await Client.connect(address)
            assert b"503" in await client.answer()
            assert len(f.said) < 10

    run_async(go())


def test_a_worker_that_speaks_of_anothers_connections_is_not_believed(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            honest, liar = f.start("read"), f.start("foreign")
            clients = [await Client.connect(address) for _ in range(2)]
            await fact(lambda: len([said for run, said in f.said if run == liar]) >= 2)
            assert f.ingress.in_flight(honest) == 1
            assert await clients[1].body() == str(f.pid(liar))
            await fact(lambda: touch(f, honest) is Touch.READ)
            await f.kill(honest)
            assert b"503" in await clients[0].answer()

    run_async(go())


def test_connections_that_have_come_together_go_to_a_worker_in_one_message(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            host, _, port = f.listen().rpartition(":")
            ours, theirs = channel_pair()
            channel = Channel(f.loop, ours, FromWorker, lambda *_: None, lambda: None)
            # They are in the kernel's backlog: the loop has had no turn yet.
            clients = [socket.create_connection((host, int(port))) for _ in range(8)]
            f.ingress.admit(1, channel)
            await fact(lambda: f.ingress.in_flight(1) == 8)
            said = []
            with suppress(BlockingIOError):
                while True:
                    data, fds = recv_fds(theirs, 1 << 16)
                    close_all(fds)
                    said.append((msgspec.msgpack.decode(data, type=ToWorker), len(fds)))
            assert [one for one in said if isinstance(one[0], Connections)] == [
                (Connections(list(range(1, 9)), "http"), 8)
            ]
            for each in (channel, theirs, *clients):
                each.close()
            f.ingress.gone(1)

    run_async(go())


def test_what_a_worker_has_accepted_and_ended_by_itself_counts_no_more(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            run = f.start("read")
            f.ingress.progress(run, Progress(own=[1 << 40, (1 << 40) + 1], done=[1 << 40]))
            assert f.ingress.in_flight(run) == 1
            f.ingress.progress(run, Progress(done=[(1 << 40) + 1]))
            assert f.ingress.in_flight(run) == 0

    run_async(go())


def test_a_unix_listener_works_the_same(run_async, loop_kind, farm, tmp_path):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(str(tmp_path / "blog.sock"))
            run = f.start("serve")
            assert await ask(address, 20) == {str(f.pid(run)): 20}

    run_async(go())


def test_after_many_connections_there_are_as_many_descriptors_as_before(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            f.start("serve")
            await ask(address, 10)
            await fact(lambda: f.ingress.in_flight(1) == 0)
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(20):
                await ask(address, 20)
            await fact(lambda: f.ingress.in_flight(1) == 0)
            await fact(lambda: len(os.listdir("/proc/self/fd")) == before)

    run_async(go())


def test_clients_that_reset_before_they_are_passed_on_hurt_nobody(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            f.start("serve")
            for _ in range(200):
                (await Client.connect(address)).reset()
            assert await ask(address, 1)
            await fact(lambda: f.ingress.in_flight(1) == 0)
            assert f.ingress.counts()["lost"] == 0

    run_async(go())
