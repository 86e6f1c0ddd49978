"""LIMIT of starting without sharing: `python -m benchmarks.popen N COMMAND...`, {i} is its number.

Each is started again when it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def main(count, command):
    running = {}

    def start(i):
        words = [word.replace("{i}", str(i)) for word in command]
        path = words[-1].removeprefix("unix:")
        if path.endswith(".sock") and os.path.exists(path):
            os.unlink(path)
        process = subprocess.Popen(words, close_fds=False)
        running[process.pid] = i, process

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for i in range(count):
            start(i)
        while True:
            start(running.pop(os.wait()[0])[0])
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
