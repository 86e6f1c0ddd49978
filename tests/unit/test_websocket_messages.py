"""One WebSocket as values: however the bytes are cut, the messages are the same."""

import pytest

pytest.importorskip("websockets", reason="extra 'ws'")

from kettlingar.websocket.messages import Messages, Pong, shortened


def frame(opcode, data, fin=True):
    """A client's frame, masked with zeros."""
    return bytes([opcode | 0x80 * fin, 0x80 | len(data)]) + bytes(4) + data


STREAM = (
    frame(1, "grüß".encode())
    + frame(2, b"\x00", fin=False)
    + frame(9, b"?")
    + frame(10, b"!")
    + frame(0, b"\xff")
    + frame(1, b"")
    + frame(8, b"\x03\xe8bye")
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_any_split_gives_the_same_messages(size):
    messages = Messages((), 100)
    found, said = [], b""
    for start in range(0, len(STREAM), size):
        found += messages.feed(STREAM[start : start + size])
        said += messages.output()
    assert found == ["grüß", Pong(b"!"), b"\x00\xff", ""]
    assert said == b"\x8a\x01?" + b"\x88\x05\x03\xe8bye"
    assert (messages.finished, messages.open) == (True, False)
    assert (messages.closed_by.code, messages.closed_by.reason) == (1000, "bye")


def test_a_character_may_be_cut_by_frames_but_not_by_messages():
    messages = Messages((), 100)
    assert messages.feed(frame(1, b"\xc3", fin=False) + frame(0, b"\xbc")) == ["ü"]
    assert messages.feed(frame(1, b"\xc3")) == []
    assert messages.output()[2:4] == (1007).to_bytes(2, "big")
    assert messages.finished


def test_an_end_without_goodbye_has_no_code():
    messages = Messages((), 100)
    messages.feed(frame(1, b"half", fin=False))
    messages.end()
    assert (messages.finished, messages.closed_by) == (True, None)
    messages.close(1000, "too late")
    messages.fail(1011, "too late")
    assert messages.output() == b""


def test_codes_that_may_not_be_sent_are_errors():
    for code in (1, 999, 1005, 1006, 1015, 5000):
        with pytest.raises(ValueError, match=f"cannot close with code {code}"):
            Messages((), 100).close(code, "")


def test_reasons_are_cut_to_what_a_frame_holds():
    assert shortened("x" * 200) == "x" * 123
    assert shortened("ü" * 100) == "ü" * 61
