from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import time

import msgspec
import pytest

from kettlingar.transport import channel as channel_module
from kettlingar.transport import messages as m
from kettlingar.transport.channel import IN_MEMFD, MAX_PACKET, Channel, channel_pair
from kettlingar.transport.fdpass import close_all, send_fds
from tests.integration.transport.peers import a_file, count_fds, until

pytestmark = pytest.mark.usefixtures("loop_kind")


class End:
    """One end of a channel, recorded."""

    def __init__(self, sock, incoming):
        self.messages, self.fds, self.ends, self.lost = [], [], 0, []
        self.channel = Channel(
            asyncio.get_running_loop(), sock, incoming, self.on_message, self.on_end
        )

    def on_message(self, message, fds):
        self.messages.append(message)
        self.fds.append(fds)

    def on_end(self):
        self.ends += 1

    def close(self):
        self.channel.close()
        for fds in self.fds:
            close_all(fds)


class Both:
    """A supervisor's and a worker's end, closed at the end of the `with`."""

    def __enter__(self):
        ours, theirs = channel_pair()
        self.supervisor, self.worker = End(ours, m.FromWorker), End(theirs, m.ToWorker)
        return self.supervisor, self.worker

    def __exit__(self, *_):
        self.supervisor.close()
        self.worker.close()


class Raw:
    """The supervisor's end, and the worker's as a plain socket."""

    def __enter__(self):
        ours, self.raw = channel_pair()
        self.supervisor = End(ours, m.FromWorker)
        return self.supervisor, self.raw

    def __exit__(self, *_):
        self.supervisor.close()
        self.raw.close()


def test_messages_go_both_ways_in_order_and_stay_apart(run_async):
    async def body():
        with Both() as (supervisor, worker):
            for number in range(100):
                supervisor.channel.send(m.Ping(number))
            worker.channel.send(m.Status("busy"))
            await until(lambda: len(worker.messages) == 100 and supervisor.messages)
            assert worker.messages == [m.Ping(number) for number in range(100)]
            assert supervisor.messages == [m.Status("busy")]

    run_async(body())


def test_one_side_sees_whether_the_other_has_read_all_that_it_was_sent(run_async):
    async def body():
        with Raw() as (end, sock):
            assert not end.channel.unread
            end.channel.send(m.Ping(1))
            end.channel.send(m.Ping(2))
            sock.recv(MAX_PACKET)
            assert end.channel.unread
            sock.recv(MAX_PACKET)
            assert not end.channel.unread
            while not end.channel.queued:
                end.channel.send(m.Ping(3))
            assert end.channel.unread

    run_async(body())


def test_descriptors_come_with_their_message_and_are_not_inherited(run_async):
    async def body():
        with Both() as (supervisor, worker):
            before = count_fds()
            supervisor.channel.send(m.Connections([1, 2]), [a_file(), a_file()])
            supervisor.channel.send(m.Connections([3]), [a_file()])
            assert count_fds() == before
            await until(lambda: len(worker.messages) == 2)
            assert [len(fds) for fds in worker.fds] == [2, 1]
            assert not any(os.get_inheritable(fd) for fds in worker.fds for fd in fds)

    run_async(body())


def test_a_message_above_64_kib_goes_in_memory_that_nobody_can_change(run_async):
    async def body():
        with Both() as (supervisor, worker):
            big = m.Setup("x", 1, 1, "k:K", "s", config={"text": "x" * 1_000_000})
            before = count_fds()
            supervisor.channel.send(big, [a_file()])
            await until(lambda: worker.messages)
            assert worker.messages == [big]
            assert [len(fds) for fds in worker.fds] == [1]
            assert count_fds() == before + 1

    run_async(body())


def test_what_the_socket_does_not_take_waits_and_keeps_its_order(run_async):
    async def body():
        with Both() as (supervisor, worker):
            for number in range(2000):
                supervisor.channel.send(m.Connections([number]), [a_file()])
            assert supervisor.channel.queued > 0
            await until(lambda: len(worker.messages) == 2000)
            assert [message.ids for message in worker.messages] == [[n] for n in range(2000)]
            assert supervisor.channel.queued == 0

    run_async(body())


def test_lent_descriptors_stay_their_owners_whether_they_wait_or_not(run_async):
    async def body():
        with Both() as (supervisor, worker):
            lent, before = a_file(), count_fds()
            for number in range(600):
                supervisor.channel.lend(m.Connections([number]), [lent])
                if number == 0:
                    assert count_fds() == before  # no copy was needed
            assert supervisor.channel.queued > 0
            await until(lambda: len(worker.messages) == 600)
            assert [message.ids for message in worker.messages] == [[n] for n in range(600)]
            assert all(os.path.sameopenfile(fds[0], lent) for fds in worker.fds)
            assert count_fds() == before + 600
            os.close(lent)

    run_async(body())


def test_whatever_is_lent_to_a_channel_that_has_ended_stays_open(run_async):
    async def body():
        with Both() as (supervisor, worker):
            lent = a_file()
            worker.channel.close()
            before = count_fds()
            supervisor.channel.lend(m.Connections([1]), [lent])
            assert count_fds() == before
            os.close(lent)

    run_async(body())


def test_waiting_to_send_does_not_spin(run_async):
    async def body():
        with Raw() as (supervisor, _):
            for number in range(1000):
                supervisor.channel.send(m.Ping(number))
            assert supervisor.channel.queued > 0
            cpu = time.process_time()
            await asyncio.sleep(0.1)
            assert time.process_time() - cpu < 0.05

    run_async(body())


def test_too_many_descriptors_are_refused_and_closed(run_async):
    async def body():
        with Both() as (supervisor, worker):
            before = count_fds()
            with pytest.raises(ValueError, match="cannot send 254 descriptors"):
                supervisor.channel.send(m.LogFile(), [a_file() for _ in range(254)])
            big = m.LogLevel("x" * 100_000)
            with pytest.raises(ValueError, match="252 at most"):
                supervisor.channel.send(big, [a_file() for _ in range(253)])
            assert count_fds() == before
            supervisor.channel.send(m.LogFile(), [a_file() for _ in range(253)])
            await until(lambda: worker.messages)
            assert len(worker.fds[0]) == 253

    run_async(body())


def test_the_other_sides_going_is_said_once(run_async):
    async def body():
        with Both() as (supervisor, worker):
            worker.channel.send(m.Drained())
            worker.channel.close()
            await until(lambda: supervisor.ends)
            assert supervisor.messages == [m.Drained()]
            assert supervisor.channel.closed
            assert "gone" in supervisor.channel.error
            before = count_fds()
            supervisor.channel.send(m.LogFile(), [a_file()])
            supervisor.channel.close()
            assert (supervisor.ends, worker.ends, count_fds()) == (1, 0, before)

    run_async(body())


def test_a_dead_workers_last_words_are_heard_although_it_left_ours_unread(run_async):
    async def body():
        with Both() as (supervisor, worker):
            supervisor.channel.send(m.Ping(1))  # never read: the kernel says ECONNRESET first
            worker.channel.send(m.Failed("import", "ModuleNotFoundError: xapian"))
            worker.channel.close()
            supervisor.channel.drain_now()
            assert supervisor.messages == [m.Failed("import", "ModuleNotFoundError: xapian")]
            assert supervisor.ends == 1

    run_async(body())


def test_sending_to_the_dead_does_not_lose_their_last_words(run_async):
    async def body():
        with Both() as (supervisor, worker):
            supervisor.channel.send(m.Ping(1))
            worker.channel.send(m.Failed("init", "no database"))
            worker.channel.close()
            for number in range(3):
                supervisor.channel.send(m.Ping(number), [a_file()])
            assert supervisor.ends == 0
            await until(lambda: supervisor.ends)
            assert supervisor.messages == [m.Failed("init", "no database")]

    run_async(body())


def test_a_killed_process_ends_the_channel_after_what_it_said(run_async):
    async def body():
        ours, theirs = channel_pair()
        packet = msgspec.msgpack.encode(m.Status("alive"))
        pid = os.fork()
        if not pid:
            theirs.send(packet)
            signal.pause()
            os._exit(0)
        theirs.close()
        supervisor = End(ours, m.FromWorker)
        await until(lambda: supervisor.messages)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: supervisor.ends)
        os.waitpid(pid, 0)
        assert supervisor.messages == [m.Status("alive")]

    run_async(body())


@pytest.mark.parametrize("how", ["message", "end"])
def test_a_callback_may_close_the_channel(run_async, how):
    async def body():
        with Raw() as (supervisor, raw):
            for _ in range(3):
                raw.send(msgspec.msgpack.encode(m.Drained()))

            def closing(message, fds):
                supervisor.messages.append(message)
                supervisor.channel.close()

            if how == "message":
                supervisor.channel._on_message = closing
            else:
                supervisor.channel._on_end = supervisor.channel.close
                raw.close()
            await until(lambda: supervisor.channel.closed)
            await asyncio.sleep(0.01)
            assert len(supervisor.messages) == (1 if how == "message" else 3)
            supervisor.channel.drain_now()

    run_async(body())


# --- what a worker that went mad may send ---


def sealed(size, seals=channel_module.SEALS):
    fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def fifo():
    read_end, write_end = os.pipe()
    os.close(write_end)
    return read_end


HOSTILE = {
    "no message": (b"\xff\xfe", list),
    "another side's word": (msgspec.msgpack.encode(m.Quit(1.0)), list),
    "a number": (b"\x01", list),
    "deep": (b"\x91" * 60000, list),
    "a long list that is not there": (b"\xdd\xff\xff\xff\xff", list),
    "too long": (b"\x00" * (MAX_PACKET + 1), list),
    "memfd without one": (IN_MEMFD + (1).to_bytes(8), list),
    "memfd shorter than said": (IN_MEMFD + (1 << 20).to_bytes(8), lambda: [sealed(10)]),
    "memfd larger than allowed": (IN_MEMFD + (1 << 40).to_bytes(8), lambda: [sealed(10)]),
    "memfd that may change": (IN_MEMFD + (10).to_bytes(8), lambda: [sealed(10, 0)]),
    "a pipe that would make us wait": (IN_MEMFD + (10).to_bytes(8), lambda: [fifo()]),
    "zeros": (IN_MEMFD + (1 << 20).to_bytes(8), lambda: [sealed(1 << 20), a_file()]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nonsense_ends_the_channel_and_leaves_no_descriptor(run_async, name):
    packet, make_fds = HOSTILE[name]

    async def body():
        with Raw() as (supervisor, raw):
            before = count_fds()
            fds = [*make_fds(), a_file()]
            send_fds(raw, packet, fds)
            close_all(fds)
            await until(lambda: supervisor.ends)
            assert supervisor.messages == []
            assert supervisor.channel.error
            assert count_fds() == before - 1  # the channel's own

    run_async(body())


def test_descriptors_nobody_asked_for_are_the_receivers_to_close(run_async):
    async def body():
        with Raw() as (supervisor, raw):
            packet = msgspec.msgpack.encode(m.Drained())
            fd = a_file()
            before = count_fds()
            supervisor.channel._on_message = lambda message, fds: close_all(fds)
            for _ in range(2000):
                send_fds(raw, packet, [fd] * 50)
                supervisor.channel.drain_now()
            assert count_fds() == before
            os.close(fd)

    run_async(body())


def test_lost_descriptors_end_the_channel(run_async, few_descriptors):
    async def body():
        with Both() as (supervisor, worker):
            before = count_fds()
            supervisor.channel.send(m.Connections([1, 2, 3]), [a_file() for _ in range(3)])
            with few_descriptors(room=1):
                await until(lambda: worker.ends and supervisor.ends)
            assert "limit of open files" in worker.channel.error
            assert count_fds() == before - 2

    run_async(body())


def test_whoever_wants_to_can_refuse_a_message_whose_descriptors_were_lost(
    run_async, few_descriptors
):
    async def body():
        with Both() as (supervisor, worker):
            before = count_fds()
            refuse = lambda message: worker.channel.send(m.Progress(returned=message.ids))  # noqa: E731
            worker.channel.on_lost = refuse
            supervisor.channel.send(m.Connections([1, 2, 3]), [a_file() for _ in range(3)])
            supervisor.channel.send(m.Ping(1))
            with few_descriptors(room=1):
                await until(lambda: supervisor.messages and worker.messages)
            assert supervisor.messages == [m.Progress(returned=[1, 2, 3])]
            assert worker.messages == [m.Ping(1)]
            assert count_fds() == before

    run_async(body())


def test_too_many_descriptors_in_flight_wait_without_spinning(run_async):
    """The kernel refuses more in flight than the limit of open files (unless we are root)."""

    async def body():
        with Both() as (supervisor, worker):
            refusals = iter([OSError(channel_module.ETOOMANYREFS, "too many")] * 2)
            real = supervisor.channel._sock

            class Full:
                def sendmsg(self, *args):
                    for error in refusals:
                        raise error
                    return real.sendmsg(*args)

                def __getattr__(self, name):
                    return getattr(real, name)

            supervisor.channel._sock = Full()
            supervisor.channel.send(m.Ping(1))
            supervisor.channel.send(m.Ping(2))
            assert supervisor.channel.queued == 2
            await until(lambda: len(worker.messages) == 2)
            assert supervisor.channel.queued == 0

    run_async(body())


def test_the_pair_is_close_on_exec_and_keeps_messages_apart():
    one, other = channel_pair()
    with one, other:
        assert one.type == other.type == socket.SOCK_SEQPACKET
        assert not any(sock.get_inheritable() for sock in (one, other))
