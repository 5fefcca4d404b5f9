"""Calibrates the relevance for the embedder of the settings, from question sets in SQuAD format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.composition import calibrations, make_splitter
from app.errors import EvaluationFileError
from app.evaluation.squad import Passage, read_squad
from app.settings import Settings
from loaders.document import Block, ParsedDocument, Section
from loaders.splitter import Splitter
from models.embedder import Embedder
from models.registry import load_embedder
from vectorstore.calibration import Calibration
from vectorstore.chinese import fold
from vectorstore.fitting import Candidates, fit
from vectorstore.hybrid import HybridIndex

WIDE = 40
"""Entries taken from each arm; wider than in use, so that enough are left of half a collection."""
BATCH = 256
LEAST_PASSAGES = 20
"""With fewer, half of them tell nothing about refusals."""


@dataclass(frozen=True, slots=True)
class Made:
    """A calibration, the embedder it is for, and the file that holds it."""

    embedder: str
    calibration: Calibration
    file: Path


def calibrate(settings: Settings, files: Sequence[Path], *, progress: Callable[[str], None]) -> Made:
    """Fit on all the files together and keep the result, which counts from the next start on.

    Raises `EvaluationFileError`.
    """
    read = {path: read_squad(path)[0] for path in files}
    for path, passages in read.items():
        if len(passages) < LEAST_PASSAGES:
            reason = f"{len(passages)} of at least {LEAST_PASSAGES} passages"
            raise EvaluationFileError(f"{path} holds {reason}", name=path.name, reason=reason)
    folder = settings.models_folder
    chosen = settings.embedder
    embedder = load_embedder(chosen.name, cache_dir=folder, device=chosen.device, threads=chosen.threads)
    splitter = make_splitter(settings.splitter)
    sets = [_candidates(passages, embedder, splitter, progress) for passages in read.values()]
    calibration = fit(sets)
    file = calibrations(folder).save(embedder.fingerprint, calibration)
    return Made(embedder.fingerprint, calibration, file)


def _candidates(
    passages: Sequence[Passage], embedder: Embedder, splitter: Splitter, progress: Callable[[str], None]
) -> list[Candidates]:
    """What is found for every question of a set among all its passages."""
    chunks: list[str] = []
    owners: list[int] = []
    for number, passage in enumerate(passages):
        text = passage.text
        pieces = splitter.split(ParsedDocument(text, (Section(0, len(text), Block(text), None),), 1))
        chunks += [piece.text for piece in pieces]
        owners += [number] * len(pieces)
    index = HybridIndex(embedder.dimension, calibration=Calibration.unfitted())
    for start in range(0, len(chunks), BATCH):
        progress(f"embed {start}/{len(chunks)}")
        batch = chunks[start : start + BATCH]
        index.add(range(start, start + len(batch)), batch, embedder.encode_documents(batch))
    folded, owned = [fold(chunk) for chunk in chunks], np.array(owners)
    found = []
    for number, passage in enumerate(passages):
        progress(f"ask {number}/{len(passages)}")
        for question, answers in passage.questions:
            ids, parts = index.parts(question, embedder.encode_query(question), wide=WIDE)
            held = np.array([any(fold(answer) in folded[i] for answer in answers) for i in ids], dtype=bool)
            found.append(Candidates(owned[ids], parts, held & (owned[ids] == number), number))
    return found
