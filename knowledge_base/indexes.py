"""The search index of each knowledge base, kept in step with the catalogue.

An index is a cache: whatever is missing, damaged, stale or of another embedder is mended from
the catalogue, without embedding anything.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from knowledge_base import chunk_rows
from knowledge_base.catalogue import KnowledgeBaseKey
from knowledge_base.database import Database
from vectorstore.base import SearchIndex
from vectorstore.errors import VectorStoreError

logger = logging.getLogger(__name__)

_STATE = "state.json"


@dataclass
class _Entry:
    index: SearchIndex
    embedder: str
    revision: int
    saved_revision: int


class IndexCache:
    """Gives each knowledge base's index as the catalogue has it.

    `make` builds an empty index for a dimension, `load` reads one back from a folder.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        make: Callable[[int], SearchIndex],
        load: Callable[[Path], SearchIndex],
    ) -> None:
        self._database = database
        self._folder = folder
        self._make = make
        self._load = load
        self._entries: dict[tuple[int, int], _Entry] = {}
        self._locks: defaultdict[tuple[int, int], threading.Lock] = defaultdict(threading.Lock)

    def index(self, key: KnowledgeBaseKey, *, dimension: int, wait: bool = True) -> SearchIndex:
        """The index at `key.revision` or later.

        With `wait` False, while another thread brings the index up to date, its last state is
        returned instead: searches need not wait for an ingestion.
        """
        entry = self._entries.get((key.id, key.generation))
        if entry is not None and entry.embedder == key.embedder:
            if entry.revision >= key.revision:
                return entry.index
            if not wait and self._locks[key.id, key.generation].locked():
                return entry.index
        with self._locks[key.id, key.generation]:
            return self._current(key, dimension).index

    def save(self, key: KnowledgeBaseKey) -> None:
        """Write the index to the disk when it has changed since it was last written.

        Where that fails, for want of space or rights, the index is rebuilt at the next start.
        """
        with self._locks[key.id, key.generation]:
            entry = self._entries.get((key.id, key.generation))
            if entry is None or entry.saved_revision == entry.revision:
                return
            try:
                self._write(entry, self._place(key.id, key.generation))
            except (OSError, RuntimeError, VectorStoreError) as error:  # FAISS raises RuntimeError
                logger.warning("index of knowledge base %d cannot be saved: %s", key.id, error)
            else:
                entry.saved_revision = entry.revision

    def _write(self, entry: _Entry, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Without its state an index is not trusted: a kill while writing means a rebuild.
        (folder / _STATE).unlink(missing_ok=True)
        entry.index.save(folder / "index")
        (folder / _STATE).write_text(json.dumps({"embedder": entry.embedder}), encoding="utf-8")

    def drop(self, knowledge_base_id: int, *, generation: int | None = None) -> None:
        """Forget the indexes of all generations, or of one, and delete their files."""
        numbers = {number for id, number in list(self._entries) if id == knowledge_base_id}
        for place in self._folder.glob(f"{knowledge_base_id}*"):
            prefix, _, suffix = place.name.partition("-")
            if prefix == str(knowledge_base_id):
                numbers.add(int(suffix or 0))
        for number in numbers if generation is None else {generation}:
            with self._locks[knowledge_base_id, number]:
                self._entries.pop((knowledge_base_id, number), None)
                shutil.rmtree(self._place(knowledge_base_id, number), ignore_errors=True)

    def _place(self, knowledge_base_id: int, generation: int) -> Path:
        return self._folder / (f"{knowledge_base_id}-{generation}" if generation else f"{knowledge_base_id}")

    def _current(self, key: KnowledgeBaseKey, dimension: int) -> _Entry:
        entry = self._entries.get((key.id, key.generation))
        if entry is None or entry.embedder != key.embedder:
            entry = self._open(key, dimension)
        self._catch_up(entry, key)
        self._entries[key.id, key.generation] = entry
        return entry

    def _open(self, key: KnowledgeBaseKey, dimension: int) -> _Entry:
        folder = self._place(key.id, key.generation)
        try:
            state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
            if state["embedder"] == key.embedder:
                return _Entry(self._load(folder / "index"), key.embedder, -1, -1)
            logger.info("index of knowledge base %d is of another embedder; rebuilding it", key.id)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, VectorStoreError) as error:
            logger.warning("index of knowledge base %d cannot be read (%s); rebuilding it", key.id, error)
        return _Entry(self._make(dimension), key.embedder, -1, -1)

    def _catch_up(self, entry: _Entry, key: KnowledgeBaseKey) -> None:
        with self._database.read() as connection:
            revision = chunk_rows.revision(connection, key.id)
            if revision == entry.revision:
                return
            wanted = chunk_rows.enabled_ids(connection, key.id, key.generation)
            present = entry.index.ids()
            # New before old: meanwhile a search finds both, and the catalogue leaves out the old.
            for ids, texts, vectors in chunk_rows.index_entries(connection, wanted - present):
                entry.index.add(ids, texts, vectors)
            entry.index.remove(present - wanted)
        entry.revision = revision
