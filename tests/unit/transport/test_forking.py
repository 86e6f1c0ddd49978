"""The words between supervisor and zygote survive the way, and other versions of themselves."""

import msgspec
import pytest

from kettlingar.transport.forking import (
    Cold,
    Fork,
    Forked,
    FromZygote,
    Preload,
    Refused,
    ToZygote,
    Warm,
)

FORK = Fork(1, {"A": "b"}, "/", 0o027, 5, -3, [(7, 1, 2)], False)


@pytest.mark.parametrize(
    ("side", "message"),
    [
        (ToZygote, Preload(["/srv"], ["json"])),
        (ToZygote, FORK),
        (FromZygote, Warm(1, "0.1", 3)),
        (FromZygote, Cold("ImportError: no")),
        (FromZygote, Forked(1, 4321)),
        (FromZygote, Refused(2, "changed", "a.py")),
    ],
)
def test_every_message_arrives_as_it_was_sent(side, message):
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=side) == message


def test_a_field_of_a_later_version_is_no_reason_to_fail():
    data = {"type": "warm", "protocol": 1, "version": "9", "colour": "black"}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(data), type=FromZygote) == Warm(1, "9")


def test_a_reason_that_nobody_knows_is_no_message():
    data = {"type": "refused", "number": 1, "reason": "moody"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(data), type=FromZygote)
