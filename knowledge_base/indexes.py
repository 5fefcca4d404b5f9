"""The search index of each knowledge base, kept in step with the catalogue.

An index is a cache: whatever is missing, damaged, stale or of another embedder is mended from
the catalogue, without embedding anything, also when it fails only while it is searched.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from knowledge_base import chunk_changes, searched_chunks
from knowledge_base.catalogue import KnowledgeBaseKey
from knowledge_base.database import Database
from knowledge_base.errors import CatalogueDamagedError
from vectorstore.base import AS_CALIBRATED, Frequency, ScoredId, SearchIndex, Weights
from vectorstore.errors import IndexInputError, VectorStoreError

logger = logging.getLogger(__name__)

_STATE = "state.json"
_SAVE_SHARE = 0.1
"""An index is written again once this share of it has changed, so that many small commits do not
each write all of it; what is not written is caught up with from the catalogue."""


@dataclass
class _Entry:
    index: SearchIndex
    embedder: str
    revision: int = -1
    seen: int = -1
    """The last entry of the log of changes that the index has taken in; -1: it has to be compared."""
    unsaved: int = 0
    """Entries added or removed since the index was written."""
    unverified: int = 0
    """Entries added or removed since the index was held to the catalogue."""
    trained: int = 0
    """The index's count of trainings when it was written."""

    @property
    def retrained(self) -> bool:
        """Whether a training has ended since the index was written."""
        return self.index.trained != self.trained

    @property
    def changed(self) -> bool:
        """Whether the index is another than was written."""
        return self.unsaved > 0 or self.retrained


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What was done to the indexes since the start."""

    opened: int = 0
    rebuilt: int = 0
    """Made anew because files were missing, damaged or of another embedder."""
    caught_up: int = 0
    """Read from the disk, and lacking what had been committed since."""


class IndexCache:
    """Gives each knowledge base's index as the catalogue has it.

    `make` builds an empty index for a dimension and an embedder's fingerprint, `load` reads one of
    that embedder back from a folder.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        make: Callable[[int, str], SearchIndex],
        load: Callable[[Path, str], SearchIndex],
    ) -> None:
        self._database = database
        self._folder = folder
        self._make = make
        self._load = load
        self._entries: dict[tuple[int, int], _Entry] = {}
        self._locks: defaultdict[tuple[int, int], threading.Lock] = defaultdict(threading.Lock)
        self.report = IndexReport()
        self._distrust_later()

    def _distrust_later(self) -> None:
        """Have indexes made anew that know changes which the catalogue does not.

        Then an earlier catalogue was put back, and gives ids again that such an index has for other
        chunks. Looked at before anything is committed, as the log would catch up with the index.
        """
        seen: dict[Path, int] = {}
        for path in self._folder.glob(f"*/{_STATE}"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                seen[path] = int(json.loads(path.read_text(encoding="utf-8"))["seen"])
        try:
            with self._database.read() as connection:  # after: another process may write an index just now
                newest = chunk_changes.last(connection)
        except CatalogueDamagedError:  # which is told where it is used
            return
        for path in (path for path, number in seen.items() if number > newest):
            logger.warning("index %s is of a later catalogue; rebuilding it", path.parent.name)
            with suppress(OSError):
                path.unlink()

    def search(
        self,
        key: KnowledgeBaseKey,
        text: str,
        vector: np.ndarray,
        *,
        k: int,
        allowed: Collection[int] | None = None,
        frequency: Frequency | None = None,
        weights: Weights = AS_CALIBRATED,
    ) -> list[ScoredId]:
        """The `k` best entries; see `SearchIndex.search`. An index that fails is made anew, once."""
        index = self.index(key, dimension=len(vector), wait=False)
        try:
            return index.search(text, vector, k=k, allowed=allowed, frequency=frequency, weights=weights)
        except IndexInputError:
            raise
        except Exception as error:  # whatever an engine says of damaged files
            logger.warning(
                "index of knowledge base %d fails (%s); rebuilding it", key.id, type(error).__name__
            )
        with self._locks[key.id, key.generation]:
            entry = self._entries.get((key.id, key.generation))
            if entry is not None and entry.index is index:  # else another thread was quicker
                self._forget(key.id, key.generation)
        return self.index(key, dimension=len(vector)).search(
            text, vector, k=k, allowed=allowed, frequency=frequency, weights=weights
        )

    def frequency(self, dimensions: Mapping[KnowledgeBaseKey, int]) -> Frequency:
        """How many texts of all these knowledge bases hold a term, and how many there are.

        `dimensions` has the length of each one's vectors.

        An index that fails counts for nothing here; its own search makes it anew.
        """
        frequencies = [
            self.index(key, dimension=dimension, wait=False).frequency()
            for key, dimension in dimensions.items()
        ]

        def total(term: str) -> tuple[int, int]:
            holding = texts = 0
            for frequency in frequencies:
                with suppress(Exception):
                    found, among = frequency(term)
                    holding, texts = holding + found, texts + among
            return holding, texts

        return total

    def open_all(self, keys: Iterable[KnowledgeBaseKey]) -> None:
        """Bring the indexes of these knowledge bases up to date, so that no search has to."""
        for key in keys:
            with self._database.read() as connection:
                dimension = searched_chunks.dimension(connection, key.id, key.generation)
            if dimension is not None:
                self.index(key, dimension=dimension)
                self.save(key)

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

    def save(self, key: KnowledgeBaseKey, *, wholly: bool = False) -> None:
        """Write the index to the disk when enough of it has changed, or, `wholly`, anything.

        Where that fails, for want of space or rights, the index is rebuilt at the next start.
        """
        with self._locks[key.id, key.generation]:
            entry = self._entries.get((key.id, key.generation))
            if entry is None or not entry.changed:
                return
            enough = wholly or entry.retrained or entry.unsaved >= _SAVE_SHARE * len(entry.index)
            if enough:
                self._save(entry, key.id, key.generation)

    def save_all(self) -> None:
        """Write every index that has changed since it was written."""
        for (knowledge_base_id, generation), entry in list(self._entries.items()):
            with self._locks[knowledge_base_id, generation]:
                if entry.changed and self._entries.get((knowledge_base_id, generation)) is entry:
                    self._save(entry, knowledge_base_id, generation)

    def _save(self, entry: _Entry, knowledge_base_id: int, generation: int) -> None:
        trained = entry.index.trained
        try:
            self._write(entry, self._place(knowledge_base_id, generation))
        except (OSError, RuntimeError, VectorStoreError) as error:  # FAISS raises RuntimeError
            logger.warning("index of knowledge base %d cannot be saved: %s", knowledge_base_id, error)
        else:
            entry.unsaved, entry.trained = 0, trained

    def _write(self, entry: _Entry, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Without its state an index is not trusted: a kill while writing means a rebuild.
        (folder / _STATE).unlink(missing_ok=True)
        entry.index.save(folder / "index")
        state = {"embedder": entry.embedder, "seen": entry.seen}
        (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")

    def close(self, knowledge_base_id: int, *, generation: int) -> None:
        """Write the index of a generation that is searched no more, and let go of its memory."""
        with self._locks[knowledge_base_id, generation]:
            entry = self._entries.pop((knowledge_base_id, generation), None)
            if entry is not None and entry.changed:
                self._save(entry, knowledge_base_id, generation)

    def drop(self, knowledge_base_id: int, *, generation: int | None = None) -> None:
        """Forget the indexes of all generations, or of one, and delete their files."""
        numbers = {number for id, number in list(self._entries) if id == knowledge_base_id}
        for place in self._folder.glob(f"{knowledge_base_id}*"):
            prefix, _, suffix = place.name.partition("-")
            if prefix == str(knowledge_base_id):
                numbers.add(int(suffix or 0))
        for number in numbers if generation is None else {generation}:
            with self._locks[knowledge_base_id, number]:
                self._forget(knowledge_base_id, number)

    def sweep(self, keys: Callable[[], Iterable[KnowledgeBaseKey]]) -> None:
        """Delete the files of knowledge bases that are gone, whose deletion a kill cut short."""
        places = [place for place in self._folder.glob("*") if place.name.partition("-")[0].isdigit()]
        known = {key.id for key in keys()}  # asked after: one made meanwhile is not among the places
        for place in places:
            if int(place.name.partition("-")[0]) not in known:
                shutil.rmtree(place, ignore_errors=True)

    def _forget(self, knowledge_base_id: int, generation: int) -> None:
        self._entries.pop((knowledge_base_id, generation), None)
        shutil.rmtree(self._place(knowledge_base_id, generation), ignore_errors=True)

    def _place(self, knowledge_base_id: int, generation: int) -> Path:
        return self._folder / (f"{knowledge_base_id}-{generation}" if generation else f"{knowledge_base_id}")

    def _current(self, key: KnowledgeBaseKey, dimension: int) -> _Entry:
        place = (key.id, key.generation)
        entry = self._entries.get(place)
        if entry is None or entry.embedder != key.embedder:
            entry = self._open(key, dimension)
        try:
            self._catch_up(entry, key)
        except IndexInputError:
            raise
        except (OSError, ValueError, RuntimeError, VectorStoreError) as error:
            logger.warning("index of knowledge base %d cannot be changed (%s); rebuilding it", key.id, error)
            self._forget(*place)
            entry = self._made(key, dimension)
            self._catch_up(entry, key)
        self._entries[place] = entry
        return entry

    def _open(self, key: KnowledgeBaseKey, dimension: int) -> _Entry:
        folder = self._place(key.id, key.generation)
        try:
            state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
            if state["embedder"] == key.embedder:
                index = self._load(folder / "index", key.embedder)
                entry = _Entry(index, key.embedder, seen=int(state["seen"]))
                self.report = replace(self.report, opened=self.report.opened + 1)
                return entry
            logger.info("index of knowledge base %d is of another embedder; rebuilding it", key.id)
        except FileNotFoundError:
            logger.info("index of knowledge base %d is not there; building it", key.id)
        except (OSError, ValueError, KeyError, TypeError, VectorStoreError) as error:
            logger.warning("index of knowledge base %d cannot be read (%s); rebuilding it", key.id, error)
        return self._made(key, dimension)

    def _made(self, key: KnowledgeBaseKey, dimension: int) -> _Entry:
        self.report = replace(self.report, rebuilt=self.report.rebuilt + 1)
        return _Entry(self._make(dimension, key.embedder), key.embedder)

    def _catch_up(self, entry: _Entry, key: KnowledgeBaseKey) -> None:
        """Take in what was committed since; all chunks are compared only where the log does not tell."""
        opened_now, fresh = entry.revision < 0, entry.seen < 0
        with self._database.read() as connection:
            revision = searched_chunks.revision(connection, key.id)
            if revision == entry.revision:
                return
            seen = chunk_changes.last(connection)
            changed = None if fresh else chunk_changes.since(connection, key.id, entry.seen)
            moved = 0
            if changed is not None:
                findable = searched_chunks.enabled_ids(connection, key.id, key.generation, among=changed)
                moved = self._change(entry.index, connection, findable, changed - findable)
            entry.unverified += moved
            if changed is None or opened_now or self._differs(entry, key, connection):
                wanted = searched_chunks.enabled_ids(connection, key.id, key.generation)
                present = entry.index.ids()
                moved += self._change(entry.index, connection, wanted - present, present - wanted)
                entry.unverified = 0
        entry.revision, entry.seen = revision, seen
        entry.unsaved += moved
        if opened_now and moved and not fresh:
            logger.info("index of knowledge base %d lacked %d changes", key.id, moved)
            self.report = replace(self.report, caught_up=self.report.caught_up + 1)

    def _differs(self, entry: _Entry, key: KnowledgeBaseKey, connection: Connection) -> bool:
        """Whether index and catalogue differ in size; looked at now and then, as counting takes its time."""
        if entry.unverified < _SAVE_SHARE * len(entry.index):
            return False
        entry.unverified = 0
        return len(entry.index) != searched_chunks.enabled_count(connection, key.id, key.generation)

    def _change(
        self, index: SearchIndex, connection: Connection, new: Collection[int], gone: Collection[int]
    ) -> int:
        """Add and remove entries; how many."""
        # New before old: meanwhile a search finds both, and the catalogue leaves out the old.
        for ids, texts, vectors, contexts in searched_chunks.index_entries(connection, new):
            index.add(ids, texts, vectors, contexts)
        return len(new) + index.remove(gone)
