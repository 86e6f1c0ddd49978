"""search: full-text search over a folder of text files, by several processes at once.

    curl 'http://127.0.0.1:8377/search?q=open+file'
    kettlingar ctl call search query 'cat -coffee'
    kettlingar ctl call search index /usr/share/doc

SQLite waits for disks and locks, so nothing of it runs on the event loop.
"""

from __future__ import annotations

import asyncio
import html
import logging
import os
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from kettlingar import BadRequest, HttpResult, RequestInfo, RPCKitten

from .plan import in_batches
from .query import QueryError, as_html, as_text, to_fts
from .store import Rank, Store, scan
from .threads import StoreThreads

log = logging.getLogger(__name__)

TEXTS = Path(__file__).resolve().parent / "texts"
MAX_PUBLIC_HITS = 100
FILES_PER_BATCH = 50  # one write transaction each
HITS_PER_BATCH = 10  # snippets are made when the reader gets there
PAGE = """<!doctype html>
<title>search</title>
<form><input name="q" value="{query}" autofocus> <button>search</button> {note}</form>
<ol>{hits}</ol>
<p><small>answered by process {pid}</small>
"""


class SearchKitten(RPCKitten):
    """search - full-text search over a folder of text files"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "search"
        SEARCH_FOLDER = str(TEXTS)  # indexed when the service starts; "-" for none
        SEARCH_DATABASE = ""  # default: search.sqlite3 in the service's state directory
        SEARCH_MAX_FILE = 1024 * 1024  # bytes; larger files are left out

    async def init_servers(self, servers: Any) -> Any:
        """Open the index, and bring it up to date while queries are answered already."""
        database = Path(self.config.search_database or self._default_database())
        self._store = StoreThreads(database)
        await self._store.read(Store.stats)  # an index that cannot be opened is said now
        self._indexing = asyncio.create_task(self._index_at_start())
        return await super().init_servers(servers)

    def _default_database(self) -> Path:
        return Path(self.config.app_state_dir) / "search.sqlite3"

    async def _index_at_start(self) -> None:
        folder = self.config.search_folder
        if folder in ("", "-"):
            return
        try:
            async for _ in self._index(Path(folder)):
                pass
        except (OSError, BadRequest) as error:
            log.warning("folder not indexed folder=%s why=%s", folder, error)

    async def shutdown(self) -> None:
        """Stop indexing after the batch that runs, and close the index."""
        self._indexing.cancel()
        await asyncio.wait([self._indexing])
        await self._store.close()
        await super().shutdown()

    # --- writing ------------------------------------------------------------

    async def api_index(
        self, _request: RequestInfo, folder: Path | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Read what is new or changed in a folder, and forget what is gone.

        Files with the same size and modification time as before are not read again.
        Yields an item for each batch of files, the last one with all the numbers.
        """
        async for progress in self._index(folder or Path(self.config.search_folder)):
            yield progress

    async def _index(self, folder: Path) -> AsyncIterator[dict[str, Any]]:
        if not await asyncio.to_thread(folder.is_dir):
            raise BadRequest(f"cannot index {folder}: it is not a folder")
        began = time.monotonic()
        folder = await asyncio.to_thread(folder.resolve)
        found = await asyncio.to_thread(scan, folder, self.config.search_max_file)
        plan = await self._store.write(lambda store: store.plan(folder, found))
        await self._store.write(lambda store: store.remove(folder, plan.remove))
        done = 0
        for batch in in_batches(plan.read, FILES_PER_BATCH):
            stamps = [(path, found[path]) for path in batch]
            await self._store.write(partial(Store.put, folder=folder, stamps=stamps))
            done += len(batch)
            yield {"done": done, "of": len(plan.read), "_format": "%(done)d of %(of)d files"}
        yield {
            "added": len(plan.add),
            "changed": len(plan.change),
            "removed": len(plan.remove),
            "unchanged": plan.unchanged,
            "seconds": round(time.monotonic() - began, 3),
            "_format": "%(added)d added, %(changed)d changed, %(removed)d removed,"
            " %(unchanged)d unchanged in %(seconds).2f s",
        }

    # --- reading ------------------------------------------------------------

    async def api_query(
        self, _request: RequestInfo, query: str, limit: int = 20
    ) -> AsyncIterator[dict[str, Any]]:
        """Find texts, the best first: `cat dog`, `"open file"`, `descr*`, `-coffee`, `cat OR dog`."""
        expression = _expression(query)
        for batch in in_batches(await self._rank(expression, limit), HITS_PER_BATCH):
            snippets = await self._snippets(expression, batch)
            for hit in batch:
                yield _hit(hit, as_text(snippets.get(hit.id, "")))

    async def public_api_search(
        self,
        _request: RequestInfo,
        q: str,
        limit: int = 10,
        format: Literal["json", "text"] = "json",  # noqa: A002 - the name in the URL
    ) -> Any:
        """Find texts; no more than a hundred. Needs no credentials."""
        began = time.monotonic()
        if not 1 <= limit <= MAX_PUBLIC_HITS:
            raise BadRequest(f"cannot search: limit {limit} is not in 1..{MAX_PUBLIC_HITS}")
        expression = _expression(q)
        ranked = await self._rank(expression, limit)
        snippets = await self._snippets(expression, ranked)
        hits = [_hit(hit, as_text(snippets.get(hit.id, ""))) for hit in ranked]
        if format == "text":
            lines = [hit["_format"] % hit for hit in hits]
            return HttpResult("text/plain; charset=utf-8", "".join(f"{line}\n" for line in lines))
        for hit in hits:
            del hit["_format"]
        spent = round((time.monotonic() - began) * 1000, 2)
        return {"query": q, "hits": hits, "milliseconds": spent, "pid": os.getpid()}

    async def public_api_web_root(self, _request: RequestInfo, q: str = "") -> HttpResult:
        """A page to search with."""
        hits, note = "", ""
        if q:
            try:
                hits = await self._as_list_items(q)
            except BadRequest as error:
                note = html.escape(str(error))
        page = PAGE.format(query=html.escape(q), hits=hits, note=note, pid=os.getpid())
        return HttpResult("text/html; charset=utf-8", page)

    async def _as_list_items(self, query: str) -> str:
        expression = _expression(query)
        ranked = await self._rank(expression, 20)
        snippets = await self._snippets(expression, ranked)
        return "".join(
            f"<li>{html.escape(hit.title)} <small>{html.escape(hit.path)}</small>"
            f"<br>{as_html(snippets.get(hit.id, ''))}"
            for hit in ranked
        )

    async def api_stats(self, _request: RequestInfo) -> dict[str, Any]:
        """How many files are indexed, their size, and which process answers."""
        stats = await self._store.read(Store.stats)
        return {**stats, "indexing": not self._indexing.done(), "pid": os.getpid()}

    async def _rank(self, expression: str, limit: int) -> list[Rank]:
        return await self._store.read(lambda store: store.rank(expression, limit))

    async def _snippets(self, expression: str, hits: Any) -> dict[int, str]:
        numbers = [hit.id for hit in hits]
        return await self._store.read(lambda store: store.snippets(expression, numbers))


def _expression(query: str) -> str:
    try:
        return to_fts(query)
    except QueryError as error:
        raise BadRequest(str(error)) from error


def _hit(rank: Rank, snippet: str) -> dict[str, Any]:
    return {
        "path": rank.path,
        "title": rank.title,
        "score": round(rank.score, 3),
        "snippet": snippet,
        "_format": "%(path)s: %(title)s\n    %(snippet)s",
    }


if __name__ == "__main__":
    SearchKitten.Main()
