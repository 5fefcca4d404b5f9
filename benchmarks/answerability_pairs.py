"""Questions with sentences that answer them and that do not, to train and fit a reader of both.

What a search finds teaches little: where a passage shares many words with the question, it mostly
answers it. So passages are made harder in both directions: the right one without the sentences that
hold the answer, and the answering sentence among others than those closest to the question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.calibrate import QuestionSet, candidates, read_set
from benchmarks.calibrate_sentences import sentence_vectors, with_sentences
from loaders.sentences import split_sentences
from loaders.splitter import ChineseTextSplitter
from models.registry import load_embedder
from vectorstore.background import Background
from vectorstore.calibration import Calibration
from vectorstore.chinese import fold
from vectorstore.evidence import EVIDENCE, STILL_UNSURE, UNSURE, Asked
from vectorstore.fitting import Candidates

HARD = (0.15, 0.85)
"""Relevances so far between which a pair that was found is a hard one."""
REJECTED = 3
"""Passages without the answer that are taken of each question, beside the hard ones."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and a text, both folded; `answers` are the answer's forms that stand in the text."""

    question: str
    text: str
    answers: tuple[str, ...]
    hard: bool
    half: int
    """Which half of the articles the question is of, 0 or 1."""

    @property
    def label(self) -> bool:
        """Whether the text answers the question."""
        return bool(self.answers)


@dataclass(frozen=True)
class Found:
    """A set with what was found for its questions: `EVIDENCE` as parts, the chunks and the logits so far."""

    data: QuestionSet
    asked: list[Candidates]
    chunks: list[list[int]]
    logits: list[np.ndarray]
    half: np.ndarray
    """Of each question."""
    sentences: list[list[str]]
    """Of each chunk."""

    def unsure(self, number: int) -> np.ndarray:
        """Which of a question's candidates are read."""
        low, high = edges(STILL_UNSURE)
        return (self.logits[number] > low) & (self.logits[number] < high)

    def text(self, asked: Asked, chunk: int) -> str:
        """What of a chunk is read with a question."""
        sentences = self.sentences[chunk]
        return fold("".join(sentences[number] for number in asked.closest(sentences)))


def edges(relevances: tuple[float, float]) -> tuple[float, float]:
    """The logits of two relevances."""
    low, high = (float(np.log(edge / (1 - edge))) for edge in relevances)
    return low, high


def find(paths: Sequence[Path], *, cache: Path, models: Path) -> list[Found]:
    """Search the sets as the index does, each with the others' term frequencies."""
    cache.mkdir(parents=True, exist_ok=True)
    embedder = load_embedder("default", cache_dir=models, threads=2)
    splitter = ChineseTextSplitter(chunk_size=480, overlap=80)
    sets = [read_set(path, splitter, embedder, cache) for path in paths]
    evidence = Calibration.default().sentences
    if evidence is None:
        raise SystemExit("the calibration has no evidence of sentences: run benchmarks.calibrate_sentences")
    weights = np.array([evidence.weights[name] for name in EVIDENCE])
    low, high = edges(UNSURE)
    made = []
    for data in sets:
        others = [chunk for other in sets if other is not data for chunk in other.chunks]
        chunks: list[list[int]] = []
        asked = candidates(data, Background.count(others or data.chunks), chunks)
        asked = with_sentences(data, asked, chunks, sentence_vectors(data, embedder, cache))
        first = [one.parts[:, 0] for one in asked]
        logits = [
            np.where((before > low) & (before < high), one.parts @ weights + evidence.intercept, before)
            for before, one in zip(first, asked, strict=True)
        ]
        half = np.random.default_rng(7).integers(2, size=data.articles.max() + 1)
        sentences = [[chunk[start:end] for start, end in split_sentences(chunk)] for chunk in data.chunks]
        made.append(Found(data, asked, chunks, logits, half[data.articles[data.gold]], sentences))
    return made


def pairs(found: Found) -> Iterator[Pair]:
    """What a reader is trained on."""
    rng = np.random.default_rng(3)
    for number, question in enumerate(found.data.questions):
        asked = Asked.of(question)
        yield from _found(found, number, asked)
        own = np.flatnonzero(found.data.owners == found.data.gold[number])
        for chunk in own:
            yield from _harder(found, number, asked, int(chunk), rng)


def _found(found: Found, number: int, asked: Asked) -> Iterator[Pair]:
    data, logits = found.data, found.logits[number]
    low, high = edges(HARD)
    rejected = 0
    for place in np.argsort(-logits):
        chunk = found.chunks[number][place]
        own = data.owners[chunk] == data.gold[number]
        held = any(answer in fold(data.chunks[chunk]) for answer in data.answers[number])
        if own != held:
            continue  # it may answer, or not
        text = found.text(asked, chunk)
        shown = tuple(answer for answer in data.answers[number] if answer in text)
        if own and not shown:
            continue
        rejected += not own
        hard = bool(low < logits[place] < high)
        if own or hard or rejected <= REJECTED:
            yield Pair(asked.question, text, shown, hard, int(found.half[number]))


def _harder(found: Found, number: int, asked: Asked, chunk: int, rng: np.random.Generator) -> Iterator[Pair]:
    sentences, answers = found.sentences[chunk], found.data.answers[number]
    holding = [any(answer in fold(sentence) for answer in answers) for sentence in sentences]
    rest = [place for place, holds in enumerate(holding) if not holds]
    half = int(found.half[number])

    def text(places: Sequence[int]) -> str:
        return fold("".join(sentences[place] for place in places))

    if any(holding) and rest:
        closest = asked.closest([sentences[place] for place in rest])
        yield Pair(asked.question, text([rest[place] for place in closest]), (), False, half)
    answering = [place for place in asked.closest(sentences) if holding[place]]
    if answering and len(sentences) > len(asked.closest(sentences)):
        others = [place for place in range(len(sentences)) if place != answering[0]]
        chosen = text(sorted([answering[0], *rng.choice(others, 2, replace=False).tolist()]))
        yield Pair(asked.question, chosen, tuple(a for a in answers if a in chosen), False, half)
