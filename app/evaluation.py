"""Evaluation on a question set in SQuAD format, through the whole pipeline."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.answering.answerer import Answerer
from app.answering.types import Answer, Final
from app.composition import build_service
from app.errors import EvaluationFileError
from app.service import Service
from app.settings import Settings
from knowledge_base.metrics import f1_score, mrr_at_k, recall_at_k, roc_auc
from knowledge_base.retrieval import Retrieval
from knowledge_base.types import Hit

_DEPTH = 10
_KNOWLEDGE_BASE = "evaluation"
_NO_SECONDS = {"parse": 0.0, "embed": 0.0, "index": 0.0}


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of the question set, with its questions and their accepted answers."""

    text: str
    questions: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    answerable: bool
    rank: int
    """Rank of the first hit in the gold passage, from 1; 0 when there is none."""
    relevance: float
    """Relevance of the best hit; 0 without any."""
    refused: bool
    contained: bool
    """Whether the quotes hold an accepted answer."""
    characters: int
    """Length of the quotes."""


def read_squad(path: Path) -> tuple[list[Passage], int]:
    """The passages of a SQuAD file, and how many empty questions were passed over.

    Raises `EvaluationFileError`.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        paragraphs = [paragraph for article in data["data"] for paragraph in article["paragraphs"]]
        passages, empty = [], 0
        for paragraph in paragraphs:
            questions = []
            for qa in paragraph["qas"]:
                if qa["question"].strip():
                    answers = tuple(_string(answer["text"]) for answer in qa.get("answers", ()))
                    questions.append((qa["question"].strip(), answers))
                else:
                    empty += 1
            passages.append(Passage(_string(paragraph["context"]), tuple(questions)))
    except OSError as error:
        raise EvaluationFileError(str(error), name=path.name, reason=error.strerror or "") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise EvaluationFileError(f"{path} is not SQuAD: {reason}", name=path.name, reason=reason) from error
    if not any(passage.questions for passage in passages):
        raise EvaluationFileError(f"{path} holds no questions", name=path.name, reason="no questions")
    return passages, empty


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def evaluate_file(
    settings: Settings,
    path: Path,
    *,
    hold_out: float = 0.0,
    limit: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Ingest the passages into a temporary knowledge base, ask every question, and measure.

    `hold_out` is the share of the passages that is left out, so that their questions must be
    refused; which ones is decided by their text, the same at every run. `limit` bounds the number
    of passages. The result is the JSON object of `zhiwen evaluate`.
    """
    passages, empty = read_squad(path)
    passages = passages[:limit]
    stored = [passage for passage in passages if not _held_out(passage, hold_out)]
    with tempfile.TemporaryDirectory(prefix="zhiwen-evaluation-") as folder:
        temporary = settings.model_copy(update={"data_dir": Path(folder)})
        service = build_service(temporary, model_folder=settings.models_folder)
        try:
            service.warm_up()  # so that loading the model does not count as embedding
            gold = _ingest(service, stored, progress)
            start = time.perf_counter()
            outcomes = []
            answerable = {passage.text for passage in stored}
            for number, passage in enumerate(passages, start=1):
                progress(f"ask {number}/{len(passages)}")
                document_id = gold.get(passage.text, "") if passage.text in answerable else None
                outcomes += [_ask(service, q, a, document_id) for q, a in passage.questions]
            seconds = {**_NO_SECONDS, **service.ingestion_seconds(), "search": time.perf_counter() - start}
        finally:
            service.close()
    report = _report(outcomes)
    return {
        "passages": len(passages),
        "passages_held_out": len(passages) - len(stored),
        "passages_failed": len(answerable - set(gold)),
        "questions": len(outcomes),
        "empty_questions_skipped": empty,
        **report,
        "threshold": service.threshold(),
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
    }


def _held_out(passage: Passage, share: float) -> bool:
    digest = hashlib.sha256(passage.text.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def _ingest(service: Service, passages: Sequence[Passage], progress: Callable[[str], None]) -> dict[str, str]:
    """Store each passage as a document; returns document ids by text."""
    service.create_knowledge_base(_KNOWLEDGE_BASE)
    files = [
        service.store(f"{number:06d}.txt", [passage.text.encode()], check=False)
        for number, passage in enumerate(passages)
    ]
    results = service.ingest(
        _KNOWLEDGE_BASE, files, progress=lambda at: progress(f"{at.stage} {at.file + 1}/{at.files}")
    )
    return {
        passage.text: result.document.id
        for passage, result in zip(passages, results, strict=True)
        if result.document is not None
    }


def _ask(service: Service, question: str, answers: Sequence[str], document_id: str | None) -> _Outcome:
    """Ask one question; `document_id` is None when its passage was held out, "" when it failed."""
    retrieval = service.retrieve(question, [_KNOWLEDGE_BASE], top_k=_DEPTH, threshold=0.0)
    hits = retrieval.hits
    rank = next((n for n, hit in enumerate(hits, start=1) if hit.document_id == document_id), 0)
    answer = _answer(service, question, retrieval)
    quotes = [citation.quote for citation in answer.citations]
    shown = "".join(quotes)
    return _Outcome(
        answerable=document_id is not None,
        rank=rank,
        relevance=hits[0].score if hits else 0.0,
        refused=answer.refused,
        contained=any(_squeeze(accepted) in _squeeze(shown) for accepted in answers if accepted.strip()),
        characters=len(shown),
    )


def _answer(service: Service, question: str, retrieval: Retrieval) -> Answer:
    """The answer as a user would get it, from the hits at hand."""
    used: list[Hit] = [hit for hit in retrieval.hits if hit.score >= service.threshold()]
    used = used[: service.settings.retrieval.top_k]
    events = Answerer(lambda _: Retrieval(used, retrieval.query_vector)).stream(question)
    return next(event.answer for event in events if isinstance(event, Final))


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _report(outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    answerable = [outcome for outcome in outcomes if outcome.answerable]
    unanswerable = [outcome for outcome in outcomes if not outcome.answerable]
    ranks = np.array([outcome.rank for outcome in answerable])
    labels = np.array([outcome.answerable for outcome in outcomes])
    refused = np.array([outcome.refused for outcome in outcomes])
    quoted = [outcome.characters for outcome in answerable if not outcome.refused]
    both = bool(answerable and unanswerable)

    def share(values: Sequence[bool]) -> float | None:
        return round(sum(values) / len(values), 4) if values else None

    return {
        **{f"recall@{k}": round(recall_at_k(ranks, k), 4) if answerable else None for k in (1, 5, _DEPTH)},
        f"mrr@{_DEPTH}": round(mrr_at_k(ranks, _DEPTH), 4) if answerable else None,
        "quote_contains": share([outcome.contained for outcome in answerable]),
        "quote_characters": round(sum(quoted) / len(quoted), 1) if quoted else None,
        "refusal": {
            "auc": round(roc_auc(labels, np.array([o.relevance for o in outcomes])), 4) if both else None,
            "f1": round(f1_score(~labels, refused), 4) if both else None,
            "refused_unanswerable": share([outcome.refused for outcome in unanswerable]),
            "refused_answerable": share([outcome.refused for outcome in answerable]),
        },
    }
