"""Synthetic collections of any size that resemble a real one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.bench.measuring import Progress
from app.evaluation.question_sets import sample_set
from app.evaluation.squad import read_squad
from loaders.base import LoadOptions
from loaders.errors import LoaderError
from loaders.registry import parse_file
from loaders.splitter import ChineseTextSplitter
from models.embedder import Embedder

SAMPLES = Path(__file__).parents[2] / "knowledge_base" / "samples"
QUESTIONS = 200
"""As many questions are searched for at most."""
NOISE = 0.3
"""Share of the passages' own spread that is added to a vector."""
BATCH = 10_000
LENGTHS = (150, 350)
"""Characters of a synthetic text, the least and one more than the most."""


@dataclass(frozen=True, slots=True)
class Source:
    """Real passages and questions with their vectors, float32 of shape (n, dimension)."""

    passages: list[str]
    vectors: np.ndarray
    questions: list[str]
    question_vectors: np.ndarray


def read_source(
    embedder: Embedder, files: Sequence[Path] = (), *, cache: Path, passages: int = 400, progress: Progress
) -> Source:
    """Passages and questions of SQuAD files, by default of the sample documents.

    At most so many `passages` are embedded, spread evenly over all; their vectors are kept in the
    folder `cache`. Raises `EvaluationFileError`.
    """
    texts, questions = read_texts(files)
    chosen, asked = _spread(texts, passages), _spread(questions, QUESTIONS)
    key = hashlib.sha256("\0".join([embedder.fingerprint, *chosen, *asked]).encode()).hexdigest()
    kept = cache / f"{key[:32]}.npz"
    if kept.exists():
        with np.load(kept, allow_pickle=False) as arrays:
            return Source(chosen, arrays["passages"], asked, arrays["questions"])
    vectors = []
    for start in range(0, len(chosen), 32):
        progress(f"embed {start}/{len(chosen)}")
        vectors.append(embedder.encode_documents(chosen[start : start + 32]))
    source = Source(
        chosen, np.concatenate(vectors), asked, np.stack([embedder.encode_query(q) for q in asked])
    )
    cache.mkdir(parents=True, exist_ok=True)
    np.savez(kept, passages=source.vectors, questions=source.question_vectors)
    return source


def read_texts(files: Sequence[Path] = ()) -> tuple[list[str], list[str]]:
    """Passages and questions of SQuAD files, by default of the sample documents."""
    if files:
        passages = [passage for path in files for passage in read_squad(path)[0]]
        return [p.text for p in passages], [question for p in passages for question, _ in p.questions]
    splitter, texts = ChineseTextSplitter(), []
    for path in sorted(SAMPLES.iterdir()):
        try:
            document = parse_file(path, name=path.name, options=LoadOptions())
        except LoaderError:  # a scan, which would want recognition
            continue
        texts += [chunk.text for chunk in splitter.split(document)]
    return texts, [question.text for question in sample_set().questions]


def _spread(items: list[str], count: int) -> list[str]:
    if len(items) <= count:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, count).astype(int)]


class Collection:
    """Makes chunks without end out of a source, the same ones for the same seed.

    A text is a walk along the character pairs of the passages, so pairs are as frequent as there. A
    vector lies between those of two passages, with noise of the passages' covariance: so there are
    regions as dense and as thin as the real ones.
    """

    def __init__(self, source: Source, *, seed: int = 0) -> None:
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._vectors = source.vectors
        centred = source.vectors - source.vectors.mean(axis=0)
        _, spread, directions = np.linalg.svd(centred, full_matrices=False)
        self._noise = (NOISE * spread / len(centred) ** 0.5)[:, None] * directions
        text = "\n".join(source.passages)
        self._alphabet, codes = np.unique(np.array(list(text + text[0])), return_inverse=True)
        order = np.argsort(codes[:-1], kind="stable")
        self._followers = codes[1:][order]
        """For each character, one after the other, what follows it wherever it stands."""
        self._starts = np.searchsorted(codes[:-1][order], np.arange(len(self._alphabet) + 1))

    def texts(self, count: int) -> list[str]:
        """`count` texts."""
        longest = LENGTHS[1] - 1
        walk = np.empty((longest, count), dtype=np.int64)
        current = self._followers[self._random.integers(len(self._followers), size=count)]
        for step in range(longest):
            walk[step] = current
            first, last = self._starts[current], self._starts[current + 1]
            current = self._followers[first + (self._random.random(count) * (last - first)).astype(np.int64)]
        lengths = self._random.integers(*LENGTHS, size=count)
        whole = np.ascontiguousarray(self._alphabet[walk.T]).view(f"<U{longest}")[:, 0].tolist()
        return [text[:length] for text, length in zip(whole, lengths.tolist(), strict=True)]

    def vectors(self, count: int) -> np.ndarray:
        """`count` unit vectors, float32 of shape (count, dimension)."""
        pairs = self._random.integers(len(self._vectors), size=(2, count))
        share = self._random.uniform(0.5, 1.0, size=(count, 1)).astype(np.float32)
        mixed = share * self._vectors[pairs[0]] + (1 - share) * self._vectors[pairs[1]]
        mixed += self._random.normal(size=(count, len(self._noise))).astype(np.float32) @ self._noise
        return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)

    def batches(self, size: int, *, start: int = 0) -> Iterator[tuple[range, list[str], np.ndarray]]:
        """The chunks from `start`, a multiple of `BATCH`, up to `size` as ids, texts and vectors, in batches.

        A chunk is the same wherever one begins, so that a collection can be built in stages.
        """
        for first in range(start, size, BATCH):
            self._random = np.random.default_rng((self._seed, first))
            count = min(BATCH, size - first)
            yield range(first, first + count), self.texts(count), self.vectors(count)


class Nearest:
    """The nearest of each question among vectors that come in batches, by exact inner product."""

    def __init__(self, questions: np.ndarray, k: int) -> None:
        self._questions = questions
        self._k = k
        self.scores = np.empty((len(questions), 0), dtype=np.float32)
        self.ids = np.empty((len(questions), 0), dtype=np.int64)
        """Shape (questions, k), nearest first."""

    def update(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Look at more of them."""
        scores = np.hstack([self.scores, self._questions @ vectors.T])
        names = np.hstack([self.ids, np.broadcast_to(np.asarray(ids), (len(self._questions), len(ids)))])
        best = np.argsort(-scores, axis=1)[:, : self._k]
        self.scores = np.take_along_axis(scores, best, axis=1)
        self.ids = np.take_along_axis(names, best, axis=1)
