"""The log: one line a record, with ids of what it is about, and no text of documents.

Messages of our own packages hold ids, codes and counts. What an exception says may quote a document
or a name, so of exceptions only the kind and the place are written, unless the settings allow more.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections import deque
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from app.settings import LoggingSettings
from knowledge_base import log_context

PACKAGES = ("app", "knowledge_base", "loaders", "models", "vectorstore")
IDS = ("job", "document", "request")


class RecentProblems(logging.Handler):
    """Keeps the newest warnings and errors as lines, for whoever has no access to the log itself."""

    def __init__(self, most: int = 200) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(LineFormatter(as_json=False, private=False))
        self._lines: deque[str] = deque(maxlen=most)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            self._lines.append(self.format(record))
        except Exception:
            self.handleError(record)

    def lines(self) -> list[str]:
        """The newest first, without anything of a document's text."""
        return list(self._lines)[::-1]


def configure(settings: LoggingSettings) -> None:
    """Log to standard error as the settings say; other libraries are heard from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(as_json=settings.format == "json", private=settings.private))
    root = logging.getLogger()
    root.handlers[:] = [handler, RECENT_PROBLEMS]
    root.setLevel(logging.WARNING)
    for package in PACKAGES:
        logging.getLogger(package).setLevel(settings.level.upper())


class LineFormatter(logging.Formatter):
    """A record as one line: JSON, or `key=value` after the message."""

    def __init__(self, *, as_json: bool, private: bool) -> None:
        super().__init__()
        self._as_json = as_json
        self._private = private

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields = self._fields(record)
        if self._as_json:
            return json.dumps(fields, ensure_ascii=False, default=str)
        head = [fields.pop(key) for key in ("time", "level", "logger", "message")]
        rest = [
            f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in fields.items()
        ]
        return " ".join([*head, *rest]).replace("\n", "\\n")

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._message(record),
            **log_context.current(),
        }
        fields.update({key: value for key in IDS if (value := getattr(record, key, None)) is not None})
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"], fields["at"] = self._error(record.exc_info[1], record.exc_info[2])
        return fields

    def _message(self, record: logging.LogRecord) -> str:
        arguments = record.args
        if not self._private and isinstance(arguments, tuple):
            # An error given as an argument speaks with its own words, too.
            shown = tuple(_kind(item) if isinstance(item, BaseException) else item for item in arguments)
            return str(record.msg) % shown if shown else str(record.msg)
        return record.getMessage()

    def _error(self, error: BaseException, trace: TracebackType | None) -> tuple[str, list[str]]:
        """What went wrong, and where: the innermost places last."""
        places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
        chain = [error]
        while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
            chain.append(cause)
        told = (f"{_kind(each)}: {each}" if self._private else _kind(each) for each in chain)
        return " from ".join(told), places


def _kind(error: BaseException) -> str:
    code = getattr(error, "code", None)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__} ({error.strerror})"
    return f"{type(error).__name__} ({code})" if isinstance(code, str) else type(error).__name__


RECENT_PROBLEMS = RecentProblems()
"""Those of this process since `configure` was called."""
