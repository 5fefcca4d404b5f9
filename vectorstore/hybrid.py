"""Both arms as one index, with one relevance."""

from __future__ import annotations

import json
import shutil
import threading
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vectorstore import lexical
from vectorstore.background import Background
from vectorstore.base import AS_CALIBRATED, DenseArm, DenseEngine, Frequency, ScoredId, Weights
from vectorstore.calibration import Calibration
from vectorstore.chinese import fold, terms
from vectorstore.dense import DenseIndex, checked_rows
from vectorstore.errors import IndexFilesError, IndexInputError
from vectorstore.index_files import (
    COMPLETE,
    FORMAT,
    MANIFEST,
    checksums,
    read_manifest,
    remove_versions,
    sizes,
)
from vectorstore.keyword import KeywordIndex
from vectorstore.synonyms import Synonyms

CANDIDATES = 24
"""Entries taken from each arm before the parts are computed."""


class HybridIndex:
    """Dense and keyword search fused into one calibrated relevance; a `SearchIndex`.

    `engine` makes the dense arm, by default with FAISS.
    """

    def __init__(
        self,
        dimension: int,
        *,
        calibration: Calibration | None = None,
        background: Background | None = None,
        synonyms: Synonyms | None = None,
        engine: DenseEngine = DenseIndex,
    ) -> None:
        self._assemble(engine(dimension), KeywordIndex(), calibration, background, synonyms)

    def _assemble(
        self,
        dense: DenseArm,
        keyword: KeywordIndex,
        calibration: Calibration | None,
        background: Background | None,
        synonyms: Synonyms | None,
    ) -> None:
        self.calibration = calibration or Calibration.default()
        self._background = background or Background.default()
        self._synonyms = synonyms or Synonyms.default()
        self._dense = dense
        self._keyword = keyword
        self._updating = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dense.dimension

    @property
    def dense(self) -> DenseArm:
        """The arm of vectors."""
        return self._dense

    @property
    def keyword(self) -> KeywordIndex:
        """The arm of terms."""
        return self._keyword

    def __len__(self) -> int:
        return len(self._dense)

    def ids(self) -> set[int]:
        """All ids in the index."""
        return self._dense.ids()

    def add(
        self, ids: Sequence[int], texts: Sequence[str], vectors: np.ndarray, contexts: Sequence[str] = ()
    ) -> None:
        """Add entries; see `SearchIndex.add`."""
        if not len(ids) == len(texts) == len(set(ids)):
            raise IndexInputError(f"{len(ids)} ids, {len(set(ids))} different, do not fit {len(texts)} texts")
        if len(contexts) not in (0, len(texts)):
            raise IndexInputError(f"{len(contexts)} contexts do not fit {len(texts)} texts")
        rows = checked_rows(ids, vectors, self.dimension)
        if not len(ids):
            return
        with self._updating:
            self._keyword.add(ids, texts, contexts)
            self._dense.add(ids, rows)

    def remove(self, ids: Collection[int]) -> int:
        """Remove entries; see `SearchIndex.remove`."""
        with self._updating:
            removed = self._dense.remove(ids)
            if removed:
                self._keyword.remove(ids)
            return removed

    def frequency(self) -> Frequency:
        """See `SearchIndex.frequency`."""
        return self._keyword.frequency()

    def search(
        self,
        text: str,
        vector: np.ndarray,
        *,
        k: int,
        allowed: Collection[int] | None = None,
        frequency: Frequency | None = None,
        weights: Weights = AS_CALIBRATED,
    ) -> list[ScoredId]:
        """The `k` best entries; see `SearchIndex.search`."""
        question = np.ascontiguousarray(vector, dtype=np.float32)
        if question.shape != (self.dimension,):
            raise IndexInputError(
                f"the question's vector has shape {question.shape}, not ({self.dimension},)"
            )
        if k <= 0:
            return []
        ids, parts = self.parts(text, question, wide=max(CANDIDATES, k), allowed=allowed, frequency=frequency)
        scores = self.calibration.weighted(*weights).relevance(parts).tolist()
        hits = [
            ScoredId(entry, score, cosine, coverage)
            for entry, score, (cosine, coverage) in zip(ids, scores, parts[:, :2].tolist(), strict=True)
        ]
        hits.sort(key=lambda hit: (-hit.score, hit.id))
        return hits[:k]

    def parts(
        self,
        text: str,
        vector: np.ndarray,
        *,
        wide: int,
        allowed: Collection[int] | None = None,
        frequency: Frequency | None = None,
    ) -> tuple[list[int], np.ndarray]:
        """The `wide` best entries of each arm, and their parts of shape (n, len(PARTS))."""
        cosines = dict(self._dense.search(vector, wide, allowed))
        frequency = frequency or self.frequency()
        background = self._background
        folded = fold(text)
        asked = lexical.question(folded, lambda term: background.idf(term, *frequency(term)))
        other_words = terms(" ".join(self._synonyms.others(folded)))
        sought = list(dict.fromkeys([*asked.selective, *other_words]))
        by_keyword = [entry for entry, _ in self._keyword.search(sought, wide, allowed)]
        cosines.update(self._dense.cosines(vector, [i for i in by_keyword if i not in cosines]))
        stored = self._keyword.texts(cosines)
        read = self._synonyms.reading(folded)
        texts = [read(text) for text, _ in stored.values()]
        contexts = [read(context) for _, context in stored.values()]
        words = lexical.compare(asked, texts, contexts)
        return list(stored), np.column_stack([[cosines[entry] for entry in stored], *words])

    @property
    def trained(self) -> int:
        """See `SearchIndex.trained`."""
        return self._dense.trained

    def wait(self) -> None:
        """Return when no training is under way in the background."""
        self._dense.wait()

    def save(self, folder: Path) -> None:
        """Write the index, atomically; see `SearchIndex.save`."""
        version = uuid.uuid4().hex
        target = folder / version
        try:
            with self._updating:
                (target / "keyword").mkdir(parents=True)
                self._keyword.write(target / "keyword")
                self._dense.write(target)
                manifest = {
                    "format": FORMAT,
                    "version": version,
                    "dimension": self.dimension,
                    "count": len(self),
                    "sizes": sizes(target),
                    "checksums": checksums(target),
                }
            part = folder / f"{version}.part"
            part.write_text(json.dumps(manifest), encoding="utf-8")
            part.replace(folder / MANIFEST)
        except BaseException:
            (folder / f"{version}.part").unlink(missing_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            raise
        (target / COMPLETE).touch()
        remove_versions(folder, keep=version)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        calibration: Calibration | None = None,
        synonyms: Synonyms | None = None,
        engine: DenseEngine = DenseIndex,
    ) -> HybridIndex:
        """Read what `save` wrote with the same engine.

        Raises `IndexFilesError` when the files are missing, damaged or of another version.
        """
        manifest = read_manifest(folder / MANIFEST)
        try:
            return cls._load(folder, manifest, calibration, synonyms, engine)
        except IndexFilesError:
            newer = read_manifest(folder / MANIFEST)
            if newer == manifest:
                raise
            return cls._load(folder, newer, calibration, synonyms, engine)

    @classmethod
    def _load(
        cls,
        folder: Path,
        manifest: dict[str, Any],
        calibration: Calibration | None,
        synonyms: Synonyms | None,
        engine: DenseEngine,
    ) -> HybridIndex:
        files = folder / manifest["version"]
        if sizes(files) != manifest["sizes"]:
            raise IndexFilesError(f"the index in {folder} is incomplete")
        # What is read here stays in the system's cache for the readings that follow.
        if checksums(files) != manifest["checksums"]:
            raise IndexFilesError(f"the index in {folder} is damaged")
        index = cls.__new__(cls)
        dense = engine.read(files, manifest["dimension"])
        index._assemble(dense, KeywordIndex(files / "keyword"), calibration, None, synonyms)
        if len(index) != manifest["count"]:
            raise IndexFilesError(f"{folder} holds {len(index)} entries, not {manifest['count']}")
        return index
