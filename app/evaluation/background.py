"""Evaluations beside everything else: one at a time, watched and cancelled from elsewhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import EvaluationRunningError
from app.evaluation.configurations import Matrix
from app.evaluation.evaluator import Evaluator
from app.evaluation.question_sets import QuestionSet
from app.evaluation.runs import FOLDER, Run, RunStore
from app.failures import KNOWN
from app.service import Service
from app.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """How far the newest evaluation has come."""

    running: bool = False
    step: str = ""
    """What is being done, such as "ask 3/60"."""
    rows: int = 0
    """Configurations that are done."""
    of: int = 0
    """At most so many: what the settings alone decide counts as one."""
    run: str = ""
    """Id of the run that came of it."""
    error: Exception | None = None


class Evaluations:
    """Runs evaluations in a thread and keeps what came of them. Safe for threads."""

    def __init__(self, settings: Settings, service: Service) -> None:
        self._settings = settings
        self._service = service
        self._store = RunStore(settings.data_dir / FOLDER)
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._status = Status()

    def status(self) -> Status:
        """As it is now."""
        return self._status

    def start(
        self,
        questions: QuestionSet,
        *,
        matrix: Matrix,
        knowledge_bases: Sequence[str] = (),
        hold_out: float = 0.0,
    ) -> None:
        """Begin; what goes wrong is in the status later. Raises `EvaluationRunningError`."""
        of = len(matrix.weights)
        for varied in (matrix.splitters, matrix.thresholds, matrix.top_ks):
            of *= max(1, len(varied))
        with self._lock:
            if self._status.running:
                raise EvaluationRunningError("another evaluation is running")
            self._status = Status(running=True, of=of)
            self._cancelled.clear()
        asked = () if questions.documents is not None else tuple(knowledge_bases)
        arguments = (questions, matrix, asked, hold_out)
        threading.Thread(target=self._run, args=arguments, name="evaluation", daemon=True).start()

    def cancel(self) -> None:
        """Stop at the next step; the configurations that are done are kept."""
        self._cancelled.set()

    def runs(self) -> list[Run]:
        """The runs kept, the newest first."""
        return self._store.runs()

    def run(self, run_id: str) -> Run:
        """One of them. Raises `EvaluationRunNotFoundError`."""
        return self._store.run(run_id)

    def _run(
        self, questions: QuestionSet, matrix: Matrix, knowledge_bases: tuple[str, ...], hold_out: float
    ) -> None:
        rows = 0

        def step(text: str) -> None:
            self._status = Status(running=True, step=text, rows=rows, of=self._status.of)

        def finished(_: object) -> None:
            nonlocal rows
            rows += 1

        error: Exception | None = None
        run_id = ""
        try:
            run = Evaluator(self._settings, self._service).run(
                questions,
                matrix=matrix,
                knowledge_bases=knowledge_bases,
                hold_out=hold_out,
                progress=step,
                cancelled=self._cancelled.is_set,
                finished=finished,
            )
            run_id = self._store.save(run).id
        except Exception as caught:
            error = caught
            if not isinstance(caught, KNOWN):
                logger.exception("an evaluation failed")
        self._status = Status(rows=rows, of=self._status.of, run=run_id, error=error)
