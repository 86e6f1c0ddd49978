"""The pages under docs/ are true: their sessions are typed, their modules imported.

In a page, a `python` or `toml` block whose first line is a comment with a file's
name becomes that file; any other `python` block is imported; of a `console` block each
line after `$ ` is typed, and what follows is what it must print, where `...`
stands for anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT, pick_port

PAGES = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./-]+\.(?:py|toml|cfg))\n")
SERVED = re.compile(r"^kettlingard up .*&$")


class Reader:
    """A person who does what a page says, in an empty folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = str(port)
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            **{k: v for k, v in os.environ.items() if k.startswith("KETTLINGAR")},
        }
        self.supervisors: list[subprocess.Popen[bytes]] = []

    def read(self, kind: str, text: str) -> None:
        text = text.replace("8080", self.port)
        named = FILE.match(text)
        if named:
            path = self.folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif kind == "python":
            (self.folder / "page.py").write_text(text)
            self.run([sys.executable, "-c", "import page"])
        elif kind == "console":
            self.session(text)

    def session(self, text: str) -> None:
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, wanted = part.partition("\n")
            if SERVED.search(command):
                self.supervise(command.removesuffix("&"))
                continue
            said = self.run(["bash", "-c", command])
            pattern = ".*".join(re.escape(piece) for piece in wanted.strip().split("..."))
            assert re.fullmatch(pattern, said.strip(), re.DOTALL), f"$ {command}\n{said}"

    def supervise(self, command: str) -> None:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.supervisors.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"try:"):
                return
        raise AssertionError(f"{command} ended")

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            check=False,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
        )
        if command[0] == sys.executable:
            assert done.returncode == 0, done.stdout
        return done.stdout

    def leave(self) -> None:
        for process in self.supervisors:
            process.terminate()
            process.wait(20)
            process.stdout.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_happens(page, tmp_path):
    reader = Reader(tmp_path, pick_port())
    try:
        for kind, text in BLOCK.findall(page.read_text()):
            reader.read(kind, text)
    finally:
        reader.leave()
