"""Runs question sets through the whole pipeline. It prints nothing, so that pages can call it too."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from app.composition import build_service
from app.errors import EvaluationCancelledError, EvaluationFileError
from app.evaluation.asking import Asked, ask
from app.evaluation.configurations import AS_IT_IS, Configuration, Matrix, settings_splitter
from app.evaluation.corpus import Corpora, Corpus, Progress
from app.evaluation.figures import Outcome, figures
from app.evaluation.question_sets import QuestionSet
from app.evaluation.runs import Failure, Row, Run
from app.machine import machine
from app.service import Service
from app.settings import Settings
from models.embedder import Embedder

_FAILURES = 50
"""Questions of a row whose hits are kept."""
_NO_SECONDS = {"parse": 0.0, "embed": 0.0, "index": 0.0}


class Evaluator:
    """Evaluates question sets with the settings given.

    `service` is the running one, where there is any; else one is made when a knowledge base of the
    user's is asked. Temporary knowledge bases lie in folders of their own, and go with the run.
    """

    def __init__(self, settings: Settings, service: Service | None = None) -> None:
        self._settings = settings
        self._service = service

    def run(
        self,
        questions: QuestionSet,
        *,
        matrix: Matrix | None = None,
        knowledge_bases: Sequence[str] = (),
        hold_out: float = 0.0,
        limit: int | None = None,
        progress: Progress = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
        finished: Callable[[Row], None] = lambda _: None,
    ) -> Run:
        """Ask every question under every configuration of `matrix`.

        A set with documents of its own is asked of a temporary knowledge base, others of
        `knowledge_bases`: as they are, or, where the matrix names splitters, of copies. `hold_out` is
        the share of the documents that is left out, so that their questions must be refused; which
        ones is decided by their text or name, the same at every run. `limit` only says how the set was
        read. Documents are parsed and embedded once a splitter, and questions searched once a pair
        of weights. Interrupted, by Ctrl-C or by `cancelled`, the run holds the rows that were done.
        Raises `EvaluationFileError`, and `EvaluationCancelledError` when there are none.
        """
        _check(questions, knowledge_bases, hold_out)
        matrix = matrix or Matrix()
        rows: list[Row] = []
        interrupted = False

        def step(text: str) -> None:
            if cancelled():
                raise EvaluationCancelledError("the evaluation was cancelled")
            progress(text)

        run = _Rows(self._settings, self._service, questions, matrix, tuple(knowledge_bases), hold_out, step)
        try:
            with closing(run.rows()) as made:
                for row in made:
                    rows.append(row)
                    finished(row)
        except (KeyboardInterrupt, EvaluationCancelledError):
            if not rows:
                raise
            interrupted = True
        return Run(
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            version=_version(),
            question_set=questions.name,
            digest=questions.digest,
            knowledge_bases=tuple(knowledge_bases),
            hold_out=hold_out,
            limit=limit,
            embedder=run.embedder,
            settings=self._settings.model_dump(
                mode="json", include={"embedder", "splitter", "retrieval", "ocr"}
            ),
            machine=machine(),
            interrupted=interrupted,
            questions=questions.questions,
            rows=tuple(rows),
        )


def _check(questions: QuestionSet, knowledge_bases: Sequence[str], hold_out: float) -> None:
    reason = ""
    if questions.documents is None and not knowledge_bases:
        reason = "name the knowledge base that it is about with --kb / 请用 --kb 指定知识库"
    elif questions.documents is not None and knowledge_bases:
        reason = "it brings its own passages, without --kb / 该文件自带段落，不能与 --kb 同用"
    elif hold_out and any(q.answers and not q.sources for q in questions.questions):
        reason = "--hold-out needs the source of every question / 使用 --hold-out 时每个问题都须注明来源"
    if reason:
        raise EvaluationFileError(reason, name=questions.name, reason=reason)


def _version() -> str:
    try:
        return version("zhiwen")
    except PackageNotFoundError:
        return ""


class _Rows:
    """One run while it goes on."""

    def __init__(
        self,
        settings: Settings,
        service: Service | None,
        questions: QuestionSet,
        matrix: Matrix,
        knowledge_bases: tuple[str, ...],
        hold_out: float,
        progress: Progress,
    ) -> None:
        self._given = service
        self._made: Service | None = None
        self._settings = settings
        self._questions = questions
        self._matrix = matrix
        self._progress = progress
        self._embedder: Embedder | None = None
        self._corpora = Corpora(settings, questions, knowledge_bases, hold_out, self._own_service)

    @property
    def embedder(self) -> str:
        """Fingerprint of the embedder, once there was a row."""
        return self._embedder.fingerprint if self._embedder else ""

    def rows(self) -> Generator[Row, None, None]:
        """A row for each configuration, as soon as it is done."""
        try:
            as_they_are = self._questions.documents is None and not self._matrix.splitters
            splitters = self._matrix.splitters or (settings_splitter(self._settings),)
            for splitter in (AS_IT_IS,) if as_they_are else splitters:
                corpus = (
                    nullcontext(self._corpora.as_it_is())
                    if as_they_are
                    else self._corpora.ingested(splitter, embedder=self._embedder, progress=self._progress)
                )
                with corpus as ready:
                    self._embedder = ready.service.embedder()
                    yield from self._weights(ready)
        finally:
            if self._made is not None:
                self._made.close()

    def _own_service(self) -> Service:
        if self._given is not None:
            return self._given
        if self._made is None:
            self._made = build_service(self._settings)
        return self._made

    def _weights(self, corpus: Corpus) -> Iterator[Row]:
        for weights in self._matrix.weights:
            if weights == (1.0, 1.0):
                yield from self._thresholds(corpus, corpus.service, weights)
                continue
            with closing(corpus.weighted(weights)) as service:
                yield from self._thresholds(corpus, service, weights)

    def _thresholds(self, corpus: Corpus, service: Service, weights: tuple[float, float]) -> Iterator[Row]:
        """Ask everything once; then every threshold and top_k looks at the same hits."""
        top_ks = self._matrix.top_ks or (self._settings.retrieval.top_k,)
        configurations = [
            Configuration(
                splitter=corpus.splitter,
                dense=weights[0],
                keyword=weights[1],
                threshold=threshold,
                top_k=top_k,
            )
            for threshold in self._matrix.thresholds or (service.threshold(),)
            for top_k in top_ks
        ]
        outcomes: list[list[Outcome]] = [[] for _ in configurations]
        failures: list[list[Failure]] = [[] for _ in configurations]
        start = time.perf_counter()
        for place, question in enumerate(self._questions.questions):
            self._progress(f"ask {place + 1}/{len(self._questions.questions)}")
            asked = ask(
                service,
                question,
                corpus.knowledge_bases,
                gold=corpus.gold(question),
                answerable=corpus.answerable(question),
                top_k=max(top_ks),
                among=corpus.among,
            )
            for at, configuration in enumerate(configurations):
                _note(asked, place, configuration, outcomes[at], failures[at])
        seconds = {**_NO_SECONDS, **corpus.seconds, "search": time.perf_counter() - start}
        for at, configuration in enumerate(configurations):
            yield Row(
                configuration,
                self._figures(corpus, configuration, outcomes[at], seconds),
                tuple(outcomes[at]),
                tuple(sorted(failures[at], key=lambda f, at=at: outcomes[at][f.question].worth))[:_FAILURES],  # type: ignore[misc]
            )

    def _figures(
        self,
        corpus: Corpus,
        configuration: Configuration,
        outcomes: Sequence[Outcome],
        seconds: dict[str, float],
    ) -> dict[str, Any]:
        held = sum(len(corpus.names.get(name, ())) or 1 for name in corpus.left_out)
        total = len(corpus.names) + corpus.failed + (held if corpus.among is None else 0)
        return {
            "passages": self._questions.passages or total,
            "passages_held_out": held,
            "passages_failed": corpus.failed,
            "questions": len(outcomes),
            "empty_questions_skipped": self._questions.empty,
            **figures(outcomes),
            "threshold": configuration.threshold,
            "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
        }


def _note(
    asked: Asked,
    place: int,
    configuration: Configuration,
    outcomes: list[Outcome],
    failures: list[Failure],
) -> None:
    outcome, quote = asked.outcome(threshold=configuration.threshold, top_k=configuration.top_k)
    outcomes.append(outcome)
    wrong = outcome.answerable == outcome.refused
    if wrong or (outcome.answerable and (outcome.rank != 1 or outcome.contained is False)):
        failures.append(asked.failure(place, quote))
