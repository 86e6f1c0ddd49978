"""A worker is killed: each of its connections is answered, given to another, or honestly ended."""

from __future__ import annotations

import pytest

from kettlingard.core.custody import Stage, Touch
from kettlingard.ingress.connection import NONE
from tests.integration.ingress.conftest import Client, Farm, fact, touch


def stage_of(f: Farm, run: int) -> Stage | None:
    """How far the run's one connection is."""
    worker = f.ingress._workers.get(run)
    stages = [connection.stage for connection in worker.connections.values()] if worker else []
    return stages[0] if stages else None


@pytest.mark.parametrize("mode", ["deaf", "take"])
def test_what_it_did_not_read_goes_to_another_worker(run_async, loop_kind, farm, mode):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            dying = f.start(mode)
            client = await Client.connect(address)
            wanted = Stage.SENT if mode == "deaf" else Stage.TAKEN
            await fact(lambda: stage_of(f, dying) is wanted)
            other = f.start("serve")
            await f.kill(dying)
            assert await client.body() == str(f.pid(other))
            assert f.ingress.counts()["redispatched"] == 1
            assert f.ingress.counts()["passed"] == 1

    run_async(go())


def test_without_another_worker_it_waits_for_the_next_one(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            dying = f.start("deaf")
            client = await Client.connect(address)
            await fact(lambda: f.ingress.in_flight(dying) == 1)
            await f.kill(dying)
            assert f.ingress.counts()["held"] == 1
            other = f.start("serve")
            assert await client.body() == str(f.pid(other))

    run_async(go())


def test_a_client_that_has_sent_its_fin_is_still_given_to_another(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            dying = f.start("deaf")
            client = await Client.connect(address)
            client._writer.write_eof()
            await fact(lambda: f.ingress.in_flight(dying) == 1)
            other = f.start("serve")
            await f.kill(dying)
            assert await client.body() == str(f.pid(other))

    run_async(go())


def test_what_it_read_and_did_not_answer_gets_an_honest_503_and_never_a_second_worker(
    run_async, loop_kind, farm
):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            dying = f.start("read")
            client = await Client.connect(address)
            await fact(lambda: stage_of(f, dying) is Stage.TAKEN)
            await fact(lambda: touch(f, dying) is Touch.READ)
            f.start("serve")
            await f.kill(dying)
            answer = await client.answer()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"may or may not have been done" in answer
            assert b"Connection: close" in answer
            counts = f.ingress.counts()
            assert (counts["answered_503"], counts["redispatched"], counts["lost"]) == (1, 0, 0)

    run_async(go())


def test_an_answer_that_had_begun_ends_without_anything_of_ours_in_it(run_async, loop_kind, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            dying = f.start("half")
            client = await Client.connect(address)
            await client._reader.readuntil(b"Connection: close\r\n\r\n")
            f.start("serve")
            await f.kill(dying)
            assert await client.answer() == b""
            assert f.ingress.counts()["lost"] == 1
            assert f.ingress.counts()["answered_503"] == 0

    run_async(go())


def test_once_an_answer_has_begun_our_copy_is_closed(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            dying = f.start("begin")
            client = await Client.connect(address)
            await fact(lambda: stage_of(f, dying) is Stage.ANSWERING)
            [connection] = f.ingress._workers[dying].connections.values()
            assert connection.fd == NONE
            assert f.ingress.in_flight(dying) == 1
            await f.kill(dying)
            assert (await client.answer()).endswith(b"\r\n\r\n")
            assert f.ingress.counts()["lost"] == 1

    run_async(go())


def test_the_last_words_of_a_dead_worker_are_heard(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            dying = f.start("finish")
            client = await Client.connect(address)
            assert await client.body() == str(f.pid(dying))
            await f.ended(dying)
            assert f.ingress.counts()["lost"] == 0

    run_async(go())


def test_a_client_that_has_gone_is_forgotten(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            dying = f.start("deaf")
            client = await Client.connect(address)
            await fact(lambda: f.ingress.in_flight(dying) == 1)
            client.reset()
            await fact(lambda: touch(f, dying) is Touch.GONE)
            await f.kill(dying)
            counts = f.ingress.counts()
            assert (counts["held"], counts["lost"], counts["answered_503"]) == (0, 0, 0)

    run_async(go())


@pytest.mark.parametrize(("mode", "again"), [("deaf", True), ("take", False)])
def test_on_a_unix_socket_the_workers_word_decides(run_async, farm, tmp_path, mode, again):
    async def go() -> None:
        async with farm() as f:
            address = f.listen(str(tmp_path / "x.sock"))
            dying = f.start(mode)
            client = await Client.connect(address)
            wanted = Stage.SENT if again else Stage.TAKEN
            await fact(lambda: stage_of(f, dying) is wanted)
            other = f.start("serve")
            await f.kill(dying)
            if again:
                assert await client.body() == str(f.pid(other))
            else:
                assert await client.ending() == b""
                assert f.ingress.counts()["lost"] == 1

    run_async(go())


def test_many_restarts_under_load_lose_nothing(run_async, loop_kind, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            run = f.start("serve")
            for _ in range(15):
                clients = [await Client.connect(address) for _ in range(20)]
                before, run = run, f.start("serve")
                f.ingress.withdraw(before)
                for client in clients:
                    assert (await client.body()).isdigit()
                await fact(lambda before=before: f.ingress.in_flight(before) == 0)
                await f.kill(before)
            counts = f.ingress.counts()
            assert (counts["passed"], counts["lost"], counts["answered_503"]) == (300, 0, 0)

    run_async(go(), within=40)


def test_killing_workers_under_load_answers_every_client(run_async, farm):
    async def go() -> None:
        async with farm() as f:
            address = f.listen()
            run = f.start("serve")
            answered = sorry = 0
            for _ in range(10):
                clients = [await Client.connect(address) for _ in range(30)]
                before, run = run, f.start("serve")
                await f.kill(before)
                for client in clients:
                    answer = await client.ending()
                    answered += answer.startswith(b"HTTP/1.1 200")
                    sorry += answer.startswith(b"HTTP/1.1 503")
            # One whose answer was complete, but not said to be, is counted as lost all the same.
            assert 300 - answered - sorry <= f.ingress.counts()["lost"] <= 10
            assert sorry == f.ingress.counts()["answered_503"]
            assert answered > 200

    run_async(go(), within=40)
