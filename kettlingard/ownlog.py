"""The supervisor's own log: a file, and whoever looks at it in the foreground."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TextIO

from kettlingar.logs import TEXT, TextLines
from kettlingard.host.logs import open_log

log = logging.getLogger(__name__)


class OwnLog:
    """Owns the file and the handlers of the root logger, until `close`."""

    def __init__(self, path: Path, *, echo: bool = True) -> None:
        """Raises OSError."""
        self.path = path
        self._file = _opened(path)
        self._to_file = logging.StreamHandler(self._file)
        self._handlers = [self._to_file, *([logging.StreamHandler(sys.stderr)] if echo else [])]
        root = logging.getLogger()
        for handler in self._handlers:
            handler.setFormatter(TextLines(TEXT))
            root.addHandler(handler)
        root.setLevel(logging.INFO)

    def reopen(self) -> None:
        """Write to the file that has the name now; one that cannot be opened leaves all as it was."""
        try:
            new = _opened(self.path)
        except OSError as why:
            log.error("log not reopened file=%s reason=%s", self.path, why)  # noqa: TRY400  no defect
            return
        self._to_file.setStream(new)
        self._file.close()
        self._file = new

    def close(self) -> None:
        """Log no more."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
        self._file.close()


def _opened(path: Path) -> TextIO:
    return os.fdopen(open_log(path), "a", encoding="utf-8")
