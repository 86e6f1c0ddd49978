"""The index: one SQLite file that several processes read and write at once.

WAL lets everybody read while one process writes. A write transaction is one
batch of files, and looks at each file's stamp again before it writes: two
processes that index the same folder do some work twice, but nothing wrong.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .plan import Plan, Stamp, compare, split_title
from .query import END, FOUND

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL, path TEXT NOT NULL,
    mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, indexed REAL NOT NULL,
    UNIQUE (folder, path));
CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5(
    title, body, tokenize = 'porter unicode61 remove_diacritics 2');
"""
SAME_FILE = "SELECT 1 FROM files WHERE folder = ? AND path = ? AND mtime_ns = ? AND size = ?"
ADD_FILE = "INSERT INTO files (folder, path, mtime_ns, size, indexed) VALUES (?, ?, ?, ?, ?)"
ADD_TEXT = "INSERT INTO texts (rowid, title, body) VALUES (?, ?, ?)"
BEST_TEXTS = """
SELECT files.id, files.path, texts.title, -bm25(texts, 5.0, 1.0) AS score
FROM texts JOIN files ON files.id = texts.rowid
WHERE texts MATCH ? ORDER BY score DESC, files.path LIMIT ?
"""
SNIPPET = "SELECT snippet(texts, 1, ?, ?, '…', ?) FROM texts WHERE texts MATCH ? AND rowid = ?"
VERSION = 1  # of the schema
SUFFIXES = frozenset({".txt", ".md", ".rst"})
BUSY_TIMEOUT = 30.0  # seconds that a writer waits for another one
SNIPPET_WORDS = 16
_CONTROLS = {code: " " for code in range(32) if chr(code) not in "\t\n"}


@dataclass(frozen=True, slots=True)
class Rank:
    """One text that was found; `score` is higher for a better match."""

    id: int
    path: str
    title: str
    score: float


def scan(folder: Path, max_size: int) -> dict[str, Stamp]:
    """The text files below `folder`, by relative path. Symbolic links are not followed."""
    found: dict[str, Stamp] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in filter(_is_text_name, names):
            path = os.path.join(parent, name)
            try:
                seen = os.stat(path, follow_symlinks=False)
            except OSError:
                continue  # gone since it was listed
            if stat.S_ISREG(seen.st_mode) and seen.st_size <= max_size:
                found[os.path.relpath(path, folder)] = Stamp(seen.st_mtime_ns, seen.st_size)
    return {path: stamp for path, stamp in found.items() if _is_utf8(path)}


def _is_text_name(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _is_utf8(path: str) -> bool:
    """SQLite keeps no other names."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class Store:
    """One connection to the index; use it from one thread at a time, and close it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            self._use_wal()
            self._db.execute("PRAGMA synchronous = NORMAL")
            if self._db.execute("PRAGMA user_version").fetchone() != (VERSION,):
                self._make_tables()
        except BaseException:
            self._db.close()
            raise

    def _use_wal(self) -> None:
        """SQLite's own waiting does not cover this step, and workers start together."""
        deadline = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _make_tables(self) -> None:
        with self._writing():
            for statement in filter(str.strip, SCHEMA.split(";")):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that takes the write lock first, so that it never has to give up."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- writing ------------------------------------------------------------

    def plan(self, folder: Path, found: dict[str, Stamp]) -> Plan:
        """What has to be done to bring the index up to what was found in `folder`."""
        rows = self._db.execute(
            "SELECT path, mtime_ns, size FROM files WHERE folder = ?", (str(folder),)
        )
        return compare({path: Stamp(mtime, size) for path, mtime, size in rows}, found)

    def remove(self, folder: Path, paths: Sequence[str]) -> None:
        """Forget files that are gone."""
        with self._writing():
            for path in paths:
                self._forget(folder, path)

    def _forget(self, folder: Path, path: str) -> None:
        where = (str(folder), path)
        row = self._db.execute("SELECT id FROM files WHERE folder = ? AND path = ?", where)
        for (number,) in row.fetchall():
            self._db.execute("DELETE FROM texts WHERE rowid = ?", (number,))
            self._db.execute("DELETE FROM files WHERE id = ?", (number,))

    def put(self, folder: Path, stamps: Sequence[tuple[str, Stamp]]) -> int:
        """Read these files and index them; the number that another process had not done yet."""
        texts = [(path, stamp, _read(folder / path)) for path, stamp in stamps]
        with self._writing():
            return sum(self._put(folder, *item) for item in texts)

    def _put(self, folder: Path, path: str, stamp: Stamp, text: str) -> bool:
        where = (str(folder), path, stamp.mtime_ns, stamp.size)
        if self._db.execute(SAME_FILE, where).fetchone():
            return False
        self._forget(folder, path)
        number = self._db.execute(ADD_FILE, (*where, time.time())).lastrowid
        self._db.execute(ADD_TEXT, (number, *split_title(path, text)))
        return True

    # --- reading ------------------------------------------------------------

    def rank(self, expression: str, limit: int) -> list[Rank]:
        """The best texts for an FTS5 expression, best first. A hit in the title counts fivefold."""
        return [Rank(*row) for row in self._db.execute(BEST_TEXTS, (expression, limit))]

    def snippets(self, expression: str, numbers: Sequence[int]) -> dict[int, str]:
        """A few words around what was found, for each of these texts."""
        found: dict[int, str] = {}
        for number in numbers:
            marks = (FOUND, END, SNIPPET_WORDS, expression, number)
            if row := self._db.execute(SNIPPET, marks).fetchone():
                found[number] = row[0]
        return found

    def stats(self) -> dict[str, int | float | None]:
        """How much there is: files, their bytes, when the last one was indexed."""
        files, size, last = self._db.execute(
            "SELECT count(*), coalesce(sum(size), 0), max(indexed) FROM files"
        ).fetchone()
        return {"files": files, "bytes": size, "last_indexed": last}


def _read(path: Path) -> str:
    """The text of a file without control characters; "" if it has none that we can read."""
    try:
        content = path.read_bytes()
    except OSError:
        return ""  # gone since it was listed, or not ours to read
    if b"\0" in content[:4096]:
        return ""  # not a text, whatever its name says
    return content.decode(errors="replace").translate(_CONTROLS)
