"""`python -m benchmarks [WORD ...]`: run the benchmarks, or those with WORD in their path.

Each is a script of its own that prints a table; figures are comparable within one run only.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHOWN = ("httptools", "msgpack", "msgspec", "uvloop")
LIMIT = 600  # seconds that one may take


def main(words: list[str]) -> int:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in SHOWN)
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}")
    print(f"Python {platform.python_version()}, {versions}")
    code = 0
    for script in sorted(HERE.rglob("*.py")):
        name = str(script.relative_to(HERE))
        if script.name.startswith("_") or (words and not any(word in name for word in words)):
            continue
        print(f"\n== {name}", flush=True)
        environ = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run([sys.executable, script], env=environ, timeout=LIMIT, check=False)
        code = code or done.returncode
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
