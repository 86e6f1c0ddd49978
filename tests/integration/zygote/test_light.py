"""What each worker imports, by itself or in its zygote, is paid for by all of them."""

import subprocess
import sys

FOUNDATION = "import asyncio, httptools, json, logging, msgpack, msgspec"
SOME_NEED = {
    "argparse", "dataclasses", "difflib", "email.utils", "ipaddress", "pathlib", "random",
    "secrets", "urllib.parse",
    "kettlingar.calls.client", "kettlingar.config.edit", "kettlingar.managed", "kettlingar.process",
    "kettlingar.sync", "kettlingar.transport.introduced",
}  # fmt: skip


def loaded_by(statement):
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_worker_loads_nothing_that_only_some_need():
    added = loaded_by("import kettlingar.worker.supervised") - loaded_by(FOUNDATION)
    assert not added & SOME_NEED
