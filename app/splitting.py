"""Trying a splitter on a stored document, before any knowledge base is rebuilt with it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.settings import SplitterSettings
from knowledge_base.catalogue import Catalogue
from knowledge_base.files import FileStore
from loaders.document import Chunk, ParsedDocument
from loaders.splitter import Splitter

PAGES = 40
"""Pages that are read: of a long document enough to see how it is cut, and a wait that ends."""
_KEPT = 4


class Parse(Protocol):
    """Reads the first pages of a file."""

    def __call__(self, path: Path, *, name: str, most_pages: int | None = None) -> ParsedDocument:
        """Raises a `LoaderError`."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """What a splitter makes of a document's first `pages` pages; `partly`: there are more."""

    chunks: tuple[Chunk, ...]
    pages: int
    partly: bool


class SplitterTrials:
    """Splits documents by other settings; nothing of that is stored. Safe for threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileStore,
        *,
        parse: Parse,
        make: Callable[[SplitterSettings], Splitter],
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._parse = parse
        self._make = make
        self._lock = threading.Lock()
        # Another size is tried on the same document, as a rule: it is read once.
        self._read: OrderedDict[str, ParsedDocument] = OrderedDict()

    def split(self, knowledge_base: str, document_id: str, splitter: SplitterSettings) -> Trial:
        """What the splitter makes of a document.

        Raises `KnowledgeBaseNotFoundError`, `DocumentNotFoundError` and a `LoaderError`.
        """
        key = self._catalogue.key(knowledge_base)
        info = self._catalogue.document(key.id, document_id)
        digest = self._catalogue.stored_sha256(key.id, document_id)
        with self._lock:
            parsed = self._read.pop(digest, None)
        if parsed is None:
            parsed = self._parse(self._files.path(digest), name=info.name, most_pages=PAGES)
        with self._lock:
            self._read[digest] = parsed
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        chunks = self._make(splitter).split(parsed)
        return Trial(tuple(chunks), min(info.pages, PAGES), info.pages > PAGES)
