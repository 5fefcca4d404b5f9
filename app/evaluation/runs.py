"""Runs and their rows, kept as JSON in the data folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.errors import EvaluationRunNotFoundError
from app.evaluation.configurations import Configuration
from app.evaluation.figures import Outcome
from app.evaluation.question_sets import Question

FOLDER = "evaluations"
"""In the data folder."""
SCHEMA = 1
"""Version of the files; those of another are passed over."""
LAST = "last"
"""Names the newest run."""

_ID = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


@dataclass(frozen=True, slots=True)
class Found:
    """One of the first hits of a question that did not come out right."""

    document: str
    page: int | None
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that came out wrong, by its place in the set, and what was found instead."""

    question: int
    found: tuple[Found, ...]
    quote: str


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one configuration, and the outcome of every question."""

    configuration: Configuration
    figures: dict[str, Any]
    outcomes: tuple[Outcome, ...] = field(repr=False)
    failures: tuple[Failure, ...] = field(default=(), repr=False)
    """The worst, worst first."""

    @property
    def right(self) -> float:
        """Share of the questions that came out right."""
        return sum(outcome.right for outcome in self.outcomes) / max(1, len(self.outcomes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One evaluation: what was asked of what, and a row for each configuration."""

    id: str = ""
    """Given when it is kept."""
    date: str
    """ISO 8601, UTC."""
    version: str
    question_set: str
    digest: str
    """SHA-256 of the question set."""
    knowledge_bases: tuple[str, ...]
    hold_out: float
    limit: int | None
    embedder: str
    settings: dict[str, Any]
    machine: dict[str, Any]
    interrupted: bool
    questions: tuple[Question, ...] = field(repr=False)
    rows: tuple[Row, ...]

    @property
    def asked(self) -> tuple[Any, ...]:
        """What two runs must share for their questions to be the same ones."""
        return self.digest, self.knowledge_bases, self.hold_out, self.limit


class RunStore:
    """The runs kept in a folder, which is made when one is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, run: Run) -> Run:
        """Keep a run; it comes back with its id."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = re.sub(r"[-:]", "", run.date[:19]) + "Z"
        names = (stem, *(f"{stem}-{n}" for n in range(2, 1000)))
        for name in names:
            try:
                with (self._folder / f"{name}.json").open("x", encoding="utf-8") as file:
                    saved = Run(**{**_shallow(run), "id": name})
                    json.dump(_to_json(saved), file, ensure_ascii=False)
                    return saved
            except FileExistsError:
                continue
        raise FileExistsError(stem)

    def runs(self) -> list[Run]:
        """All runs, the newest first; files that are none are passed over."""
        found = []
        for path in sorted(self._folder.glob("*.json"), key=lambda p: _order(p.stem), reverse=True):
            try:
                found.append(_read(path))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def last(self, fits: Callable[[Run], bool] = lambda _: True) -> Run | None:
        """The newest run that fits."""
        return next(filter(fits, self.runs()), None)

    def run(self, run_id: str) -> Run:
        """A run by its id, or the `LAST` one. Raises `EvaluationRunNotFoundError`."""
        if run_id == LAST:
            newest = self.last()
            if newest is not None:
                return newest
        elif _ID.fullmatch(run_id):
            try:
                return _read(self._folder / f"{run_id}.json")
            except (OSError, ValueError, KeyError, TypeError):
                pass
        raise EvaluationRunNotFoundError(f"there is no evaluation run {run_id!r}", id=run_id)


def _order(stem: str) -> tuple[str, int]:
    date, _, number = stem.partition("-")
    return date, int(number) if number.isdigit() else 0


def _shallow(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in Run.__dataclass_fields__}


def _to_json(run: Run) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        **_shallow(run),
        "questions": [asdict(question) for question in run.questions],
        "rows": [
            {
                "configuration": row.configuration.as_json(),
                "figures": row.figures,
                "outcomes": _columns(row.outcomes),
                "failures": [asdict(failure) for failure in row.failures],
            }
            for row in run.rows
        ],
    }


def _columns(outcomes: Sequence[Outcome]) -> dict[str, list[Any]]:
    """A list a field, which takes a fraction of the room of an object a question."""
    names = Outcome.__dataclass_fields__
    return {name: [_short(getattr(outcome, name)) for outcome in outcomes] for name in names}


def _short(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def _read(path: Path) -> Run:
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.pop("schema") != SCHEMA:
        raise ValueError(f"{path} is of another version")
    content["knowledge_bases"] = tuple(content["knowledge_bases"])
    content["questions"] = tuple(
        Question(entry["text"], tuple(entry["answers"]), tuple(entry["sources"]))
        for entry in content["questions"]
    )
    content["rows"] = tuple(_row(entry) for entry in content["rows"])
    return Run(**content)


def _row(entry: dict[str, Any]) -> Row:
    columns = entry["outcomes"]
    values = zip(*(columns[name] for name in Outcome.__dataclass_fields__), strict=True)
    failures = (
        Failure(one["question"], tuple(Found(**found) for found in one["found"]), one["quote"])
        for one in entry["failures"]
    )
    return Row(
        Configuration(**entry["configuration"]),
        entry["figures"],
        tuple(Outcome(*outcome) for outcome in values),
        tuple(failures),
    )
