"""Log lines of a service: to stderr, as text or one JSON object each."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

LEVELS = {"trace": 1, "debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_kittens = logging.getLogger("kettlingar.kitten")
_own = logging.getLogger(__name__)
TEXT = "%(asctime)s %(process)d %(levelname).1s %(name)s %(message)s"


class JsonLines(logging.Formatter):
    """One JSON object a line: time, service, instance, level, logger, message."""

    def __init__(self, service: str = "", instance: int = 0) -> None:
        super().__init__()
        self._more = {"service": service, "instance": instance} if service else {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            **self._more,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


class TextLines(logging.Formatter):
    """Text for people; what a client sent cannot forge lines or move the cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, control characters escaped in all but tracebacks."""
        record.message = record.getMessage()
        if not record.message.isprintable():
            record.message = "".join(
                c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode()
                for c in record.message
            )
        record.asctime = self.formatTime(record)
        text = self.formatMessage(record)
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def level_number(level: int | str) -> int:
    """Read a level by name or number; ValueError for an unknown name."""
    if isinstance(level, int):
        return level
    text = level.strip().lower()
    if text.isdigit():
        return int(text)
    if text not in LEVELS:
        raise ValueError(f"it is not one of {', '.join(LEVELS)}")
    return LEVELS[text]


class RateLimit(logging.Filter):
    """Lets so many lines through in a time; says how many it has dropped once it may again."""

    def __init__(self, lines: int, seconds: float) -> None:
        super().__init__()
        self._lines, self._seconds = lines, seconds
        self._since, self._passed, self.dropped = 0.0, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """May this record be written? Each thread asks while it holds no lock: exact enough."""
        now = time.monotonic()
        if now - self._since >= self._seconds:
            dropped, self._since, self._passed, self.dropped = self.dropped, now, 0, 0
            if dropped:
                _own.warning("log lines dropped count=%d (log.rate_limit)", dropped)
        if self._passed >= self._lines:
            self.dropped += 1
            return False
        self._passed += 1
        return True


def set_rate(lines: int, seconds: float) -> None:
    """From now on log at most so many lines in a time; 0 = as many as come."""
    for handler in logging.getLogger().handlers:
        handler.filters[:] = [RateLimit(lines, seconds)] if lines else []


# Made before any fork, not by each worker.
_text = TextLines(TEXT)
_handler = logging.StreamHandler()


def begin_logging(
    level: int | str, style: str = "text", service: str = "", instance: int = 0
) -> None:
    """Log to stderr from `level` on; `style` is `text` or `json`."""
    _handler.stream = sys.stderr  # what was there before may be closed: nothing to flush
    _handler.setFormatter(JsonLines(service, instance) if style == "json" else _text)
    root = logging.getLogger()
    root.handlers[:] = [_handler]
    root.setLevel(level_number(level) or logging.INFO)


def set_level(level: int | str) -> None:
    """Log from `level` on."""
    logging.getLogger().setLevel(level_number(level))


def change_level() -> None:
    """A step towards more: info -> debug -> trace -> info."""
    root = logging.getLogger()
    root.setLevel({logging.INFO: 10, logging.DEBUG: 1}.get(root.level, logging.INFO))
    root.log(root.level, "log level is now %d", root.level)


class OwnLog:
    """What a service's author logs by: `self.info("fed %s", cat)`, under the service's name."""

    name: str

    def _log(self, level: int, text: str, args: tuple[Any, ...], **more: Any) -> None:
        _kittens.log(level, "[%s] %s", self.name, (text % args) if args else text, **more)

    def exception(self, text: str, *args: Any) -> None:
        """Log at ERROR, with the traceback of the exception being handled."""
        self._log(logging.ERROR, text, args, exc_info=True)

    def error(self, text: str, *args: Any) -> None:
        """Log at ERROR."""
        self._log(logging.ERROR, text, args)

    def warning(self, text: str, *args: Any) -> None:
        """Log at WARNING."""
        self._log(logging.WARNING, text, args)

    def info(self, text: str, *args: Any) -> None:
        """Log at INFO."""
        self._log(logging.INFO, text, args)

    def debug(self, text: str, *args: Any) -> None:
        """Log at DEBUG."""
        self._log(logging.DEBUG, text, args)

    def trace(self, text: str, *args: Any) -> None:
        """Log below DEBUG."""
        self._log(1, text, args)
