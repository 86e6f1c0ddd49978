"""All faults at random, from a fixed seed: the table is printed (`make chaos`: 500 rounds)."""

import os
from random import Random

import pytest

from tests.faults.chaos import MORE, Chaos
from tests.faults.clients import DEFINITION, KITTEN

ROUNDS = int(os.environ.get("KETTLINGAR_CHAOS_ROUNDS", "8"))
SEED = int(os.environ.get("KETTLINGAR_CHAOS_SEED", "5"))


@pytest.mark.timeout(60 + 6 * ROUNDS)
def test_whatever_happens_no_request_is_lost_or_done_twice(supervisor, service_module, tmp_path):
    folder = service_module("journal", KITTEN)
    one = supervisor({"journal": DEFINITION})
    one.ready("journal")
    chaos = Chaos(one, folder / "journal", Random(SEED))
    result = chaos.run(ROUNDS)
    print(f"\n{ROUNDS} rounds of chaos, seed {SEED}\n{result.table()}")
    assert result.compared.doubled == result.compared.unasked == result.compared.undone == 0
    assert not result.lost()
    # A killed worker's kept connections end with it, as with any server; nothing else ends one.
    assert result.ended().keys() <= {"kill_worker", "kill_all_workers"}
    assert result.orphans == 0
    assert result.after[0] == result.before[0]
    assert abs(result.after[1] - result.before[1]) <= MORE, chaos.open
