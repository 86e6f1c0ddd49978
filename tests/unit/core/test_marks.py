from kettlingard.core.marks import RECORD, SIZE, Mark, Whose, key_of, unpacked


def test_a_record_is_read_as_it_was_written():
    assert unpacked(RECORD.pack(Whose.SENT, 12, 2**64 - 1)) == Mark(Whose.SENT, 12, 2**64 - 1)


def test_what_was_forgotten_says_nothing_of_what_was_before():
    record = bytearray(RECORD.pack(Whose.THEIRS, 12, 3))
    record[0] = 0
    assert unpacked(bytes(record)) == unpacked(bytes(SIZE)) == Mark(Whose.NOBODY_SAID)


def test_keys_of_listeners_differ_by_service_and_by_address():
    keys = {key_of("a", ":1"), key_of("a", ":2"), key_of("b", ":1")}
    assert len(keys) == 3
    assert key_of("a", ":1") in keys
