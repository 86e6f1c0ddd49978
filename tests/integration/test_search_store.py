import os
import subprocess
import sys
from functools import partial

import pytest

from examples.search.store import Store, scan
from examples.search.threads import StoreThreads
from tests.helpers import ROOT


@pytest.fixture
def folder(tmp_path):
    texts = tmp_path / "texts"
    (texts / "deep").mkdir(parents=True)
    (texts / "cat.txt").write_text("The cat\n\nA cat sleeps.")
    (texts / "deep" / "dog.md").write_text("# The dog\n\nA dog barks.")
    return texts


@pytest.fixture
def store(tmp_path):
    one = Store(tmp_path / "index" / "search.sqlite3")
    yield one
    one.close()


def index(store, folder):
    """What one index run does; returns its plan."""
    found = scan(folder, 1000)
    plan = store.plan(folder, found)
    store.remove(folder, plan.remove)
    store.put(folder, [(path, found[path]) for path in plan.read])
    return plan


def paths(store, expression):
    return [hit.path for hit in store.rank(expression, 10)]


def test_a_second_run_reads_nothing(store, folder):
    assert index(store, folder).add == ("cat.txt", "deep/dog.md")
    assert index(store, folder).read == ()
    assert store.stats()["files"] == 2


def test_changes_are_found_and_what_was_replaced_is_not(store, folder):
    index(store, folder)
    (folder / "cat.txt").write_text("The lion\n\nRoars quite loudly.")
    (folder / "deep" / "dog.md").unlink()
    plan = index(store, folder)
    assert (plan.change, plan.remove) == (("cat.txt",), ("deep/dog.md",))
    assert paths(store, '"lion"') == ["cat.txt"]
    assert paths(store, '"sleeps" OR "dog"') == []


def test_a_word_in_the_title_counts_more(store, folder):
    (folder / "a.txt").write_text("Animals\n\ndog dog cat")
    index(store, folder)
    assert paths(store, '"dog"') == ["deep/dog.md", "a.txt"]


def test_only_plain_text_files_of_a_bearable_size_are_indexed(folder):
    (folder / "large.txt").write_text("x" * 1001)
    (folder / "picture.png").write_bytes(b"png")
    (folder / ".hidden.txt").write_text("hidden")
    (folder / "link.txt").symlink_to("/etc/passwd")
    (folder / "bad\udcff.txt").write_text("a name that is not UTF-8")
    os.mkfifo(folder / "fifo.txt")
    assert sorted(scan(folder, 1000)) == ["cat.txt", "deep/dog.md"]


def test_a_binary_with_a_texts_name_is_read_once_and_found_never(store, folder):
    (folder / "cat.txt").write_bytes(b"lion\0lion")
    index(store, folder)
    assert paths(store, '"lion"') == []
    assert index(store, folder).read == ()


INDEXER = """
import sys
from pathlib import Path
from examples.search.store import Store, scan
store, folder = Store(Path(sys.argv[1])), Path(sys.argv[2])
found = scan(folder, 1000)
for path in found:
    store.put(folder, [(path, found[path])])
store.close()
"""


def test_several_processes_that_index_at_once_index_everything_once(tmp_path, folder):
    for number in range(60):
        (folder / f"{number}.txt").write_text(f"text number {number}")
    database = tmp_path / "s.sqlite3"
    command = [sys.executable, "-c", INDEXER, str(database), str(folder)]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait(30) for process in running] == [0, 0, 0]
    store = Store(database)
    assert store.stats()["files"] == 62
    assert len(store.rank('"text"', 100)) == 60
    store.close()


def test_readers_go_on_while_somebody_writes(run_async, tmp_path, folder):
    async def scene():
        threads = StoreThreads(tmp_path / "s.sqlite3")
        writer = Store(tmp_path / "s.sqlite3")
        index(writer, folder)
        with writer._writing():
            hits = await threads.read(partial(Store.rank, expression='"cat"', limit=3))
        writer.close()
        await threads.close()
        return [hit.path for hit in hits]

    assert run_async(scene()) == ["cat.txt"]
