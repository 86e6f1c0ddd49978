"""`python -m benchmarks [--quick] [--publish] [--json FILE] [ROW ...]`: ours beside the LIMITs
and the peers.

Rows are 1 1s 2 3 4 5 5e 5r 6 m; and growth, which is measured when asked for. Contestants take turns in each round, and a ratio is taken
round by round: its median holds when the machine's speed drifts. Say nothing from single
figures, nor from two runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from . import _machine as machine
from . import growth, memory, publish, rows_cli, rows_fleet, rows_http, rows_rpc
from ._rounds import Plan, table

ROWS = {
    "1": rows_rpc.calls,
    "1s": rows_rpc.blocking,
    "2": rows_http.gets,
    "3": rows_rpc.streams,
    "4": rows_http.connections,
    "5": rows_fleet.hundred,
    "5e": rows_fleet.sleeps,
    "5r": rows_fleet.deaths,
    "6": rows_cli.commands,
    "m": memory.figures,
    "growth": growth.curves,
}
RESULT = ".bench.json"


def _plan(chosen: argparse.Namespace) -> Plan:
    plan = Plan(rounds=5, seconds=0.12, quick=True) if chosen.quick else Plan()
    if chosen.rounds:
        plan.rounds = chosen.rounds
    return plan


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under three minutes")
    parser.add_argument(
        "--publish", action="store_true", help="all rows and growth; then write them into docs/"
    )
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--json", default=RESULT, help=f"where the figures go ({RESULT})")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=" ".join(ROWS))
    chosen = parser.parse_args(argv)
    unknown = [row for row in chosen.rows if row not in ROWS]
    if chosen.publish and chosen.rows:
        parser.error("--publish measures all rows")
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are: {' '.join(ROWS)}")
    plan = _plan(chosen)
    about = machine.described()
    began = time.monotonic()
    usual = [row for row in ROWS if row != "growth" or chosen.publish]
    for row in chosen.rows or usual:
        print(f"row {row} ...", file=sys.stderr, flush=True)
        with plan.peer(f"row {row}"):
            ROWS[row](plan)
    about["busy_after"] = round(machine.busy(), 2)
    about["seconds"] = round(time.monotonic() - began)
    data = {**about, **plan.as_data()}
    _report(plan, data)
    Path(chosen.json).write_text(json.dumps(data, indent=1) + "\n")
    if chosen.publish:
        publish.write(data)
    return 0


def _report(plan: Plan, data: dict[str, Any]) -> None:
    print(table(plan.lines))
    for words in plan.skipped:
        print(f"skipped {words}")
    for curve in plan.curves:
        print(curve)
    print()
    print(publish.foot(data))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
