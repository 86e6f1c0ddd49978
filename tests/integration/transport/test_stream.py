from __future__ import annotations

import asyncio
import os
import socket
import struct
import tempfile
import time

import pytest

from kettlingar.transport import stream as stream_module
from kettlingar.transport.fdpass import recv_fds, send_fds
from kettlingar.transport.stream import SocketStream
from tests.integration.transport.peers import (
    Recorder,
    a_file,
    count_fds,
    stream_and_peer,
    tcp_pair,
    until,
)

pytestmark = pytest.mark.usefixtures("loop_kind")
BIG = bytes(range(256)) * 16384  # 4 MiB: more than any socket buffer here takes


async def read_all(peer):
    return await asyncio.to_thread(lambda: b"".join(iter(lambda: peer.recv(1 << 20), b"")))


def reset(sock):
    """Close so that the other side gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_bytes_go_both_ways(run_async, kind):
    async def body():
        with stream_and_peer(kind) as (stream, recorder, peer):
            peer.send(b"ping")
            await until(lambda: recorder.data == b"ping")
            stream.write(b"pong")
            assert peer.recv(10) == b"pong"

    run_async(body())


def test_the_first_read_happens_at_once_when_asked(run_async):
    async def body():
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.send(b"early")
        recorder = Recorder()
        stream = SocketStream(asyncio.get_running_loop(), ours, recorder)
        stream.start(read_now=True)
        assert recorder.data == b"early"
        stream.close()
        peer.close()

    run_async(body())


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_large_write_arrives_whole_and_in_order(run_async, kind):
    async def body():
        with stream_and_peer(kind) as (stream, _, peer):
            stream.write(BIG)
            stream.writelines([b"a" * 20000, b"b" * 20000, b"c"])
            stream.write(bytearray(b"end"))
            assert stream.buffered > 0
            stream.close()
            got = await read_all(peer)
            assert got == BIG + b"a" * 20000 + b"b" * 20000 + b"cend"

    run_async(body())


@pytest.mark.parametrize("before", [b"", BIG], ids=["at once", "behind what waits"])
def test_lent_descriptors_stay_their_owners_and_arrive(run_async, before):
    async def body():
        with stream_and_peer() as (stream, _, peer), tempfile.TemporaryFile() as file:
            file.write(b"hello")
            file.flush()
            if before:
                stream.write(before)
            stream.lend(b"there", [file.fileno()])
            came = b""
            fds = []
            while len(came) < len(before) + 5:
                data, more = await asyncio.to_thread(recv_fds, peer, 2**20)
                came += data
                fds += more
            assert came == before + b"there"
            (fd,) = fds
            assert os.pread(fd, 5, 0) == b"hello"
            os.close(fd)
            assert os.pread(file.fileno(), 5, 0) == b"hello"

    run_async(body())


def test_many_pieces_go_as_one(run_async):
    async def body():
        with stream_and_peer() as (stream, _, peer):
            stream.writelines([b"x" * 10000] * 5)
            stream.writelines([b"y"] * 2000)
            stream.close()
            assert await read_all(peer) == b"x" * 50000 + b"y" * 2000

    run_async(body())


def test_a_writer_waits_until_the_reader_has_taken_most_of_it(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, _, peer):
            stream.write(BIG)
            waiting = asyncio.ensure_future(stream.drained())
            await asyncio.sleep(0.01)
            assert not waiting.done()
            stream.close()
            await read_all(peer)
            await waiting
            assert stream.buffered == 0

    run_async(body())


def test_a_paused_stream_reads_nothing_and_does_not_spin(run_async):
    async def body():
        with stream_and_peer() as (stream, recorder, peer):
            stream.pause()
            peer.send(b"later")
            cpu = time.process_time()
            await asyncio.sleep(0.1)
            assert recorder.data == b""
            assert time.process_time() - cpu < 0.05
            stream.resume()
            await until(lambda: recorder.data == b"later")

    run_async(body())


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_the_peers_end_is_said_once_and_writing_goes_on(run_async, kind):
    async def body():
        with stream_and_peer(kind) as (stream, recorder, peer):
            peer.send(b"last words")
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: recorder.ends)
            stream.write(b"answer")
            assert peer.recv(10) == b"answer"
            await asyncio.sleep(0.01)
            assert recorder.data == b"last words"
            assert recorder.ends == [None]

    run_async(body())


def test_a_reset_breaks_the_stream_and_closes_it(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, recorder, peer):
            reset(peer)
            await until(lambda: recorder.ends)
            assert isinstance(recorder.ends[0], ConnectionResetError)
            assert stream.fileno() == -1
            stream.write(b"too late")
            with pytest.raises(ConnectionError):
                await stream.drained()
            assert len(recorder.ends) == 1

    run_async(body())


def test_a_failed_write_is_told_by_the_loop_not_from_within_write(run_async):
    async def body():
        with stream_and_peer() as (stream, recorder, peer):
            peer.close()
            stream.write(b"to nobody")
            assert recorder.ends == []
            with pytest.raises(ConnectionError):
                await stream.drained()
            await until(lambda: recorder.ends)
            assert [type(end) for end in recorder.ends[-1:]] == [BrokenPipeError]
            assert stream.fileno() == -1

    run_async(body())


def test_an_answer_that_came_before_the_reset_is_still_read(run_async):
    """A server that refuses a large body answers and closes while we still write."""

    async def body():
        with stream_and_peer("tcp") as (stream, recorder, peer):
            stream.pause()
            stream.write(BIG)
            await asyncio.sleep(0.01)
            peer.send(b"413 too large")
            peer.close()  # with our bytes unread: a reset
            stream.resume()
            await until(lambda: recorder.ends)
            assert recorder.data == b"413 too large"

    run_async(body())


def test_a_waiting_writer_learns_that_the_stream_broke(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, _, peer):
            stream.write(BIG)
            waiting = asyncio.ensure_future(stream.drained())
            await asyncio.sleep(0.01)
            reset(peer)
            with pytest.raises(ConnectionError):
                await waiting

    run_async(body())


def test_a_waiting_writer_learns_of_an_abort(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, _, _peer):
            stream.write(BIG)
            waiting = asyncio.ensure_future(stream.drained())
            await asyncio.sleep(0.01)
            stream.abort()
            with pytest.raises(ConnectionError):
                await waiting

    run_async(body())


# --- the end ---


def test_closing_sends_a_fin_although_somebody_holds_a_copy_of_the_socket(run_async):
    async def body():
        ours, peer = tcp_pair()
        copy = ours.dup()
        ours.setblocking(False)
        peer.settimeout(5)
        stream = SocketStream(asyncio.get_running_loop(), ours, Recorder())
        stream.start()
        stream.write(b"bye")
        stream.close()
        assert peer.recv(10) == b"bye"
        assert peer.recv(10) == b""
        copy.close()
        peer.close()

    run_async(body())


def test_a_lingering_close_lets_the_answer_arrive_although_bytes_were_unread(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, recorder, peer):
            stream.pause()
            peer.sendall(b"x" * 50000)
            await asyncio.sleep(0.01)
            stream.write(b"431 too long")
            stream.close(linger=2.0)
            peer.sendall(b"x" * 50000)
            await asyncio.sleep(0.05)
            assert peer.recv(100) == b"431 too long"
            assert peer.recv(100) == b""
            assert stream.fileno() >= 0
            peer.close()
            await until(lambda: stream.fileno() == -1)
            assert (recorder.data, recorder.ends) == (b"", [])

    run_async(body())


def test_a_lingering_close_ends_after_its_time(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, _, peer):
            stream.close(linger=0.05)
            assert stream.fileno() >= 0
            await until(lambda: stream.fileno() == -1, within=1)
            assert peer.recv(1) == b""

    run_async(body())


def test_a_close_does_not_wait_for_ever_for_a_peer_that_reads_nothing(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, _, _peer):
            stream.write(BIG)
            stream.close(flush=0.05)
            await until(lambda: stream.fileno() == -1, within=1)
            with pytest.raises(ConnectionError):
                await stream.drained()

    run_async(body())


@pytest.mark.parametrize("how", ["close", "abort", "detach", "broken"])
def test_on_closed_is_called_once_when_the_descriptor_is_closed(run_async, how):
    async def body():
        with stream_and_peer() as (stream, _, peer):
            calls = []
            stream.on_closed = lambda: calls.append(stream.fileno())
            if how == "detach":
                stream.detach().close()
            elif how == "broken":
                peer.close()
                stream.write(b"x")
                await until(lambda: stream.fileno() == -1)
            else:
                getattr(stream, how)()
            stream.close()
            stream.abort()
            assert calls == ([] if how == "detach" else [-1])

    run_async(body())


def test_a_detached_socket_is_alive_and_no_longer_watched(run_async):
    async def body():
        with stream_and_peer() as (stream, recorder, peer):
            sock = stream.detach()
            peer.send(b"for the new owner")
            await asyncio.sleep(0.01)
            assert recorder.data == b""
            assert sock.recv(100) == b"for the new owner"
            sock.close()
            with pytest.raises(RuntimeError, match="cannot detach"):
                stream.detach()

    run_async(body())


def test_bytes_that_wait_forbid_to_detach(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, _, _peer):
            stream.write(BIG)
            with pytest.raises(RuntimeError, match="wait to be sent"):
                stream.detach()

    run_async(body())


class Closing(Recorder):
    """Ends its stream from inside a callback."""

    def __init__(self, how, when):
        super().__init__()
        self.how, self.when, self.stream = how, when, None

    def act(self, when):
        if when == self.when:
            getattr(self.stream, self.how)()

    def received(self, data, fds):
        super().received(data, fds)
        self.stream.write(b"seen")
        self.act("received")
        self.stream.write(b"more")

    def ended(self, error):
        super().ended(error)
        self.act("ended")


@pytest.mark.parametrize("read_now", [True, False])
@pytest.mark.parametrize("how", ["close", "abort", "detach"])
@pytest.mark.parametrize("when", ["received", "ended"])
def test_a_callback_may_end_the_stream(run_async, how, when, read_now):
    async def body():
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.send(b"hello")
        peer.shutdown(socket.SHUT_WR)
        receiver = Closing(how, when)
        stream = receiver.stream = SocketStream(asyncio.get_running_loop(), ours, receiver)
        stream.start(read_now=read_now)
        await until(lambda: stream.fileno() == -1)
        await asyncio.sleep(0.01)
        assert receiver.data == b"hello"
        assert receiver.ends == ([None] if when == "ended" else [])
        ours.close()
        peer.close()

    run_async(body())


def test_ending_twice_and_writing_afterwards_is_harmless(run_async):
    async def body():
        with stream_and_peer() as (stream, recorder, _):
            stream.close()
            stream.close(linger=1)
            stream.abort()
            stream.pause()
            stream.resume()
            stream.write(b"nobody hears it", [a_file()])
            stream.writelines([b"nor", b"this"])
            with pytest.raises(ConnectionError, match="cannot send"):
                await stream.drained()
            assert recorder.ends == []
            assert stream.peername is None

    run_async(body())


def test_the_peers_address_is_known(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, _, peer):
            assert stream.peername == peer.getsockname()

    run_async(body())


# --- descriptors ---


def test_descriptors_come_with_the_bytes_and_are_not_inherited(run_async):
    async def body():
        with stream_and_peer(takes_fds=True) as (_, recorder, peer):
            fds = [a_file(), a_file()]
            send_fds(peer, b"two", fds)
            await until(lambda: recorder.data == b"two")
            assert len(recorder.fds) == 2
            assert not any(os.get_inheritable(fd) for fd in recorder.fds)
            for fd in fds:
                os.close(fd)

    run_async(body())


def test_sent_descriptors_belong_to_the_stream(run_async):
    async def body():
        with stream_and_peer() as (stream, _, peer):
            before = count_fds()
            stream.write(b"one", [a_file()])
            assert count_fds() == before  # it is in flight, and ours is closed
            data, fds = recv_fds(peer, 100)
            assert (data, len(fds)) == (b"one", 1)
            os.close(fds[0])
            assert count_fds() == before

    run_async(body())


def test_descriptors_keep_their_place_behind_bytes_that_wait(run_async):
    async def body():
        with stream_and_peer() as (stream, _, peer):
            for number in range(20):
                stream.write(b"%04d" % number + b"x" * 49996)
                stream.write(b"fd%02d" % number, [a_file()])
            assert stream.buffered > 0
            seen, got = [], b""

            def read():
                nonlocal got
                while len(got) < 20 * 50004:
                    data, fds = recv_fds(peer, 1 << 16)
                    got += data
                    for fd in fds:
                        # What a read returns ends with the piece that its descriptors came with.
                        seen.append(len(got) // 50004)
                        os.close(fd)

            await asyncio.to_thread(read)
            assert seen == [number + 1 for number in range(20)]

    run_async(body())


def test_more_descriptors_than_a_message_carries_are_refused_and_closed(run_async):
    async def body():
        with stream_and_peer() as (stream, _, peer):
            before = count_fds()
            with pytest.raises(ValueError, match="cannot send 254 descriptors"):
                stream.write(b"x", [a_file() for _ in range(254)])
            with pytest.raises(ValueError, match="descriptors alone"):
                stream.write(b"", [a_file()])
            assert count_fds() == before
            stream.write(b"still works")
            assert peer.recv(100) == b"still works"

    run_async(body())


def test_descriptors_that_wait_are_closed_when_the_stream_breaks(run_async):
    async def body():
        with stream_and_peer() as (stream, _, peer):
            before = count_fds()
            stream.write(BIG)
            stream.write(b"x", [a_file()])
            assert count_fds() == before + 1
            peer.close()
            await until(lambda: stream.fileno() == -1)
            assert count_fds() == before - 2

    run_async(body())


def test_hostile_descriptors_are_dropped_by_a_stream_that_takes_none(run_async):
    async def body():
        with stream_and_peer(takes_fds=False) as (_, recorder, peer):
            fd = a_file()
            before = count_fds()
            for _ in range(1000):
                send_fds(peer, b"x", [fd] * 10)
                await asyncio.sleep(0)
            await until(lambda: len(recorder.data) == 1000)
            assert count_fds() == before
            os.close(fd)

    run_async(body())


def test_a_hundred_thousand_descriptors_nobody_wants_leave_the_count_as_it_was(run_async):
    class Refuser(Recorder):
        def received(self, data, fds):
            self.data += data
            for fd in fds:
                os.close(fd)

    async def body():
        with stream_and_peer(takes_fds=True, receiver=Refuser()) as (_, refuser, peer):
            fd = a_file()
            before = count_fds()

            def flood():
                for _ in range(1000):
                    send_fds(peer, b"x", [fd] * 100)

            await asyncio.to_thread(flood)
            await until(lambda: len(refuser.data) == 1000)
            assert count_fds() == before
            os.close(fd)

    run_async(body())


def test_descriptors_that_the_kernel_dropped_break_the_stream(run_async, few_descriptors):
    async def body():
        with stream_and_peer(takes_fds=True) as (stream, recorder, peer):
            fd = a_file()
            before = count_fds()
            with few_descriptors(room=3):
                send_fds(peer, b"too many", [fd] * 10)
                await until(lambda: recorder.ends)
            assert "dropped some" in str(recorder.ends[0])
            assert recorder.data == b""
            assert stream.fileno() == -1
            assert count_fds() == before - 1
            os.close(fd)

    run_async(body())


def test_reads_grow_only_while_much_is_waiting(run_async):
    sizes = []

    class Sizes(Recorder):
        def received(self, data, fds):
            sizes.append(len(data))

    async def body():
        with stream_and_peer("tcp", receiver=Sizes()) as (_, _, peer):
            await asyncio.to_thread(peer.sendall, BIG)
            await until(lambda: sum(sizes) == len(BIG))
            assert stream_module.READ_SIZE < max(sizes) <= stream_module.READ_MORE

    run_async(body())


def test_an_answer_that_came_before_a_failed_write_is_still_read(run_async):
    async def body():
        with stream_and_peer() as (stream, recorder, peer):
            peer.send(b"413 too large")
            peer.close()
            stream.write(b"the rest of the body")
            await until(lambda: len(recorder.ends) > 0 and recorder.ends[-1] is not None)
            assert recorder.data == b"413 too large"

    run_async(body())


def test_closing_between_a_failed_write_and_its_report_says_nothing(run_async):
    async def body():
        with stream_and_peer() as (stream, recorder, peer):
            peer.close()
            stream.write(b"to nobody")
            stream.close()
            await asyncio.sleep(0.01)
            assert recorder.ends == []
            assert stream.fileno() == -1

    run_async(body())


def test_a_peer_that_resets_ends_the_lingering(run_async):
    async def body():
        with stream_and_peer("tcp") as (stream, _, peer):
            stream.close(linger=10)
            reset(peer)
            await until(lambda: stream.fileno() == -1)

    run_async(body())
