"""Evaluations as text for a terminal, and as JSON."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.evaluation.comparison import RowComparison
    from app.evaluation.runs import Run

_WIDTH = 160
_QUESTIONS = 20
"""Changed questions that are listed in a terminal."""


def run_json(run: Run) -> dict[str, Any]:
    """A run as `--json` prints it: the first configuration's figures, and every one's under `rows`."""
    rows = [{"configuration": row.configuration.as_json(), **row.figures} for row in run.rows]
    return {**(rows[0] if rows else {}), "run": run.id, "interrupted": run.interrupted, "rows": rows}


def run_text(run: Run) -> str:
    """One configuration as lines, several as a table."""
    if len(run.rows) == 1:
        return f"{_lines(run.rows[0].figures)}\n{'run':<32}{run.id}"
    from app.evaluation.comparison import METRICS, metric_of

    rows = [
        (row.configuration.label, *(_cell(metric_of(row.figures, metric)) for metric in METRICS))
        for row in run.rows
    ]
    names = [metric.replace("refused_", "").replace("refusal.", "refused ") for metric in METRICS]
    return f"{_table(['', *names], rows)}\nrun {run.id}" + (" (interrupted)" if run.interrupted else "")


def runs_table(runs: Sequence[Run]) -> str:
    """The runs kept, one a line."""
    rows = []
    for run in runs:
        figures = run.rows[0].figures if run.rows else {}
        of = ", ".join(run.knowledge_bases) or run.question_set
        asked = f"{len(run.questions)}" + (f", hold-out {run.hold_out:g}" if run.hold_out else "")
        first = [_cell(figures.get(name)) for name in ("recall@1", "mrr@10", "quote_contains")]
        rows.append((run.id, run.question_set, of, asked, str(len(run.rows)), *first))
    header = ["run", "file", "documents", "questions", "rows", "recall@1", "mrr@10", "quote_contains"]
    return _table(header, rows)


def comparison_json(run: Run, before: Run, rows: Sequence[RowComparison]) -> dict[str, Any]:
    """The differences as `--json` prints them."""
    return {
        "run": before.id,
        "regression": any(row.regressions for row in rows),
        "rows": [
            {
                "configuration": row.now.as_json(),
                "before": row.before.as_json(),
                "metrics": {
                    d.metric: {
                        "before": d.before,
                        "now": d.now,
                        "change": d.change,
                        "regression": d.regression,
                    }
                    for d in row.differences
                },
                "worse": [run.questions[place].text for place in row.worse],
                "better": [run.questions[place].text for place in row.better],
            }
            for row in rows
        ],
    }


def comparison_text(run: Run, before: Run, rows: Sequence[RowComparison]) -> str:
    """The differences as tables, with the questions that got worse."""
    parts = [f"compared with {before.id}"]
    for row in rows:
        parts.append(
            row.now.label if row.now == row.before else f"{row.now.label}  (before: {row.before.label})"
        )
        lines = [
            (
                d.metric,
                _cell(d.before),
                _cell(d.now),
                "" if d.change is None else f"{d.change:+.4f}",
                "worse" if d.regression else "",
            )
            for d in row.differences
        ]
        parts.append(_table(["", "before", "now", "change", ""], lines))
        parts.append(f"{len(row.worse)} questions got worse, {len(row.better)} better")
        parts += [f"  - {run.questions[place].text}" for place in row.worse[:_QUESTIONS]]
        if len(row.worse) > _QUESTIONS:
            parts.append("  …")
    return "\n".join(parts)


def _lines(figures: dict[str, Any], prefix: str = "") -> str:
    lines = []
    for key, value in figures.items():
        if isinstance(value, dict):
            lines.append(_lines(value, f"{prefix}{key}."))
        else:
            lines.append(f"{prefix + key:<32}{'-' if value is None else value}")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _table(header: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns aligned, Chinese characters counted as two."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # plain, whatever brackets a name has
    stream = io.StringIO()
    Console(file=stream, width=_WIDTH, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines() if line.strip())
