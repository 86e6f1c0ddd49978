from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kettlingar.transport import sendqueue
from kettlingar.transport.sendqueue import MAX_BUFFERS, SendQueue


@pytest.fixture
def closed(monkeypatch):
    """Which descriptors were closed; none is real."""
    closed = []
    monkeypatch.setattr(sendqueue, "close_all", closed.extend)
    return closed


def test_plain_pieces_go_together(closed):
    queue = SendQueue()
    queue.add(b"ab")
    queue.add(b"c")
    assert queue.head() == ([b"ab", b"c"], ())
    assert queue.size == 3


def test_a_piece_with_descriptors_begins_a_message_of_its_own(closed):
    queue = SendQueue()
    queue.add(b"a")
    queue.add(b"b", [7])
    queue.add(b"c")
    queue.add(b"d", [8])
    assert queue.head() == ([b"a"], ())
    queue.sent(1)
    assert queue.head() == ([b"b", b"c"], [7])


def test_descriptors_are_closed_once_the_first_byte_of_their_piece_went(closed):
    queue = SendQueue()
    queue.add(b"abc", [7, 8])
    queue.sent(1)
    assert closed == [7, 8]
    assert queue.head() == ([b"bc"], ())
    queue.sent(2)
    assert closed == [7, 8]
    assert not queue


def test_what_is_dropped_closes_its_descriptors(closed):
    queue = SendQueue()
    queue.add(b"a", [7])
    queue.add(b"b", [8])
    queue.clear()
    assert (closed, queue.size, bool(queue)) == ([7, 8], 0, False)


def test_a_buffer_that_the_caller_changes_later_is_sent_as_it_was(closed):
    data = bytearray(b"abc")
    queue = SendQueue()
    queue.add(data, skip=1)
    data[:] = b"xyz!"
    assert queue.head() == ([b"bc"], ())


def test_one_message_takes_no_more_pieces_than_the_kernel_does(closed):
    queue = SendQueue()
    for _ in range(MAX_BUFFERS + 1):
        queue.add(b"a")
    assert len(queue.head()[0]) == MAX_BUFFERS


def test_nothing_at_all_is_not_kept(closed):
    queue = SendQueue()
    queue.add(b"")
    queue.add(b"abc", skip=3)
    assert not queue


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.booleans()), max_size=9), st.data())
def test_however_it_is_cut_the_same_bytes_and_descriptors_go(pieces, data):
    queue = SendQueue()
    closed = []
    original, sendqueue.close_all = sendqueue.close_all, closed.extend
    try:
        for number, (piece, with_fd) in enumerate(pieces):
            queue.add(piece, [number] if with_fd else ())
        out = b""
        while queue:
            buffers = b"".join(queue.head()[0])
            count = data.draw(st.integers(1, len(buffers)))
            out += buffers[:count]
            queue.sent(count)
    finally:
        sendqueue.close_all = original
    assert out == b"".join(piece for piece, _ in pieces)
    assert closed == [number for number, (_, with_fd) in enumerate(pieces) if with_fd]
    assert queue.size == 0
