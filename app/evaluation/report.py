"""A run as one HTML file that asks nothing of any network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from app.evaluation import plots
from app.evaluation.comparison import METRICS, RowComparison, metric_of
from app.evaluation.runs import Row, Run

_TEMPLATE = Path(__file__).with_name("report.html")
_WORST = 30
"""Questions listed."""


def html_report(
    run: Run, *, language: str = "zh", before: Run | None = None, compared: Sequence[RowComparison] = ()
) -> str:
    """The page, in both languages with a switch; `language` is the one shown first.

    `compared` holds the differences to `before`, when there are any.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    groups = _groups(run.rows)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        run=run,
        language=language,
        before=before,
        compared=compared,
        metrics=list(METRICS),
        metric_of=metric_of,
        best={metric: _best(run.rows, metric) for metric in METRICS},
        recall_plot=Markup(plots.recall_by_k(groups)),  # noqa: S704 - drawn from numbers
        groups=[
            (row, Markup(plots.score_distribution(row)), Markup(plots.refusal_curve(row)))  # noqa: S704
            for row in groups
        ],
        worst=run.rows[0].failures[:_WORST] if run.rows else (),
    )


def _groups(rows: Sequence[Row]) -> list[Row]:
    """The first row of each splitter and pair of weights: the others have the same scores."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.configuration.searched, row)
    return list(first.values())[: plots.LINES]


def _best(rows: Sequence[Row], metric: str) -> float | None:
    values = [value for row in rows if (value := metric_of(row.figures, metric)) is not None]
    if len(rows) < 2 or not values:
        return None
    return max(values) if METRICS[metric] > 0 else min(values)
