"""Starts a service as a process of its own, apart from the terminal that asked for it.

What the new process must know goes to its standard input, since it may hold a
secret, and others can read a command line.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kettlingar.config.edit import own_settings
from kettlingar.config.paths import make_private_dir
from kettlingar.config.schema import COMMAND_LINE

from .calls.client import Client
from .calls.endpoints import FileEndpoint
from .errors import NotRunning
from .requests.failures import in_words

if TYPE_CHECKING:
    from .kitten import RPCKitten

log = logging.getLogger(__name__)

PATIENCE = 20.0  # seconds for a service to come up
# It answers; another process is the service already; it cannot be, and why.
UP, ON, NO = b"up\n", b"on\n", b"no\n"
MOST = 2000  # bytes of why it cannot
LOOK_AGAIN = 0.02  # seconds, while somebody else's process comes up


def log_path(kitten: RPCKitten) -> Path:
    """Return where a detached service logs to."""
    return Path(kitten.config.app_state_dir) / f"{kitten.config.worker_name}.log"


async def start(kitten: RPCKitten) -> None:
    """Start `kitten`'s service in its own session; return when it answers.

    NotRunning, with the end of its log, if it ends before that.
    """
    log = log_path(kitten)
    process, answer, begin = _spawn(kitten, log)
    word: bytes | None = None
    try:
        word = await _word_from(answer)
    except TimeoutError:
        raise NotRunning(
            f"cannot start {_name(kitten)}: it is not up after {PATIENCE:g} s; see {log}"
        ) from None
    finally:
        if word != UP and word is not None:
            await asyncio.to_thread(process.wait)
        process.returncode = process.poll() or 0  # it is nobody's child from here on
    if word == ON:
        await _answering(kitten)
    elif word != UP:
        why = word.removeprefix(NO).decode() or f"it ended at once{_tail(log, begin)}"
        raise NotRunning(f"cannot start {_name(kitten)}: {why}; see {log}")


async def _answering(kitten: RPCKitten) -> None:
    """Wait until the service answers that somebody else has begun to start."""
    client = Client(FileEndpoint(kitten.config.app_state_dir, kitten.config.worker_name))
    begun = time.monotonic()
    while True:
        try:
            await client.refresh()
        except NotRunning:
            if time.monotonic() > begun + PATIENCE:
                raise
            await asyncio.sleep(LOOK_AGAIN)
        else:
            client.close()
            return


def _spawn(kitten: RPCKitten, log: Path) -> tuple[subprocess.Popen[bytes], int, int]:
    """Return the process, a pipe on which it will say that it is up, and where its log begins."""
    make_private_dir(kitten.config.app_state_dir)
    read_end, write_end = os.pipe()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        with open(os.open(log, flags, 0o600), "wb") as out:
            begin = out.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                [sys.executable, "-u", "-P", "-m", "kettlingar", "launch", _name(kitten)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
                pass_fds=(write_end,),
            )
    finally:
        os.close(write_end)
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(json.dumps(_orders(kitten, write_end)).encode())
    return process, read_end, begin


def _name(kitten: RPCKitten) -> str:
    return f"{kitten.config.app_name}/{kitten.config.worker_name}"


def _orders(kitten: RPCKitten, ready_fd: int) -> dict[str, Any]:
    module = sys.modules[type(kitten).__module__]
    spec = getattr(module, "__spec__", None)
    return {
        "path": sys.path,
        "module": spec.name if spec is not None else "",
        "file": str(Path(module.__file__).resolve()) if module.__file__ else "",
        "class": type(kitten).__qualname__,
        "settings": own_settings(kitten.config),
        "ready_fd": ready_fd,
    }


async def _word_from(fd: int) -> bytes:
    """Read what the new process says: a word, perhaps with a reason; nothing if it has ended."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        async with asyncio.timeout(PATIENCE):
            await readable.wait()
        return os.read(fd, MOST)
    finally:
        loop.remove_reader(fd)
        os.close(fd)


def _tail(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        text = file.read()[-MOST:].decode("utf-8", "replace").strip()
    return f"\n{text}\n" if text else ""


# --- in the new process -------------------------------------------------------


def main() -> int:
    """Be the service that `start` described on standard input; return the exit code."""
    from .process import serve

    orders = json.loads(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.path[:] = orders["path"]
    kitten_class = _load(orders)
    config = kitten_class.Configuration()
    config.apply(COMMAND_LINE, orders["settings"])
    ready_fd = orders["ready_fd"]
    os.set_inheritable(ready_fd, False)

    def say(word: bytes) -> None:
        nonlocal ready_fd
        os.write(ready_fd, word[:MOST])
        os.close(ready_fd)
        ready_fd = -1

    try:
        return serve(kitten_class(config=config), lambda: say(UP), lambda: say(ON))
    except Exception as error:  # noqa: BLE001  who waits hears of whatever it is
        words = in_words(error)
        log.error("cannot start %s: %s", config.worker_name, words)  # noqa: TRY400  `serve` had it
        if ready_fd >= 0:
            say(NO + words.encode("utf-8", "backslashreplace"))
        return 1


def _load(orders: dict[str, Any]) -> Any:
    if orders["module"] and orders["module"] != "__main__":
        module = importlib.import_module(orders["module"].removesuffix(".__main__"))
    else:
        spec = importlib.util.spec_from_file_location("kitten_main", orders["file"])
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["kitten_main"] = module
        spec.loader.exec_module(module)
    found: Any = module
    for part in orders["class"].split("."):
        found = getattr(found, part)
    return found
