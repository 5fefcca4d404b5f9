"""Plots of a run as SVG to stand inside a page.

They hold no words, only numbers: what the axes and lines are is said by the page around them, in the
reader's language and font. Colours are the page's own CSS variables, so they follow light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from app.evaluation.figures import DEPTH, curve, recalls
from app.evaluation.runs import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = 6
"""Lines that a plot can tell apart; the page has a colour for each."""
_INK, _GRID = "#010101", "#020202"
_COLOURS = tuple(f"#0a0a0{number}" for number in range(1, LINES + 1))
_VARIABLES = {
    _INK: "var(--ink)",
    _GRID: "var(--grid)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(_COLOURS, start=1)},
}
"""Colours that matplotlib writes, and what stands in the page instead."""
_BINS = np.linspace(0, 1, 26)
_SIZE = (5.2, 2.9)
_GROUP_NAME = re.compile(r'<g id="[^"]*"')
"""Which nothing refers to, and every plot has the same."""


def recall_by_k(rows: Sequence[Row]) -> str:
    """A line for each of the first rows: recall at 1, 2 … 10."""

    def draw(axes: Axes) -> None:
        for row, colour in zip(rows, _COLOURS, strict=False):
            values = recalls(row.outcomes)
            axes.plot(range(1, len(values) + 1), values, "o-", color=colour, markersize=4, linewidth=2)
        axes.set_xticks(range(1, DEPTH + 1))
        axes.set_ylim(top=1.0 + 0.02 * (1.0 - axes.get_ylim()[0]))

    return _svg(draw, "recall") if any(recalls(row.outcomes) for row in rows) else ""


def score_distribution(row: Row) -> str:
    """The relevance of the best hit: answerable questions and those that are not, as shares of each."""

    def draw(axes: Axes) -> None:
        for answerable, colour in ((True, _COLOURS[0]), (False, _COLOURS[1])):
            scores = [o.relevance for o in row.outcomes if o.answerable is answerable]
            if scores:
                shares = np.histogram(scores, _BINS)[0] / len(scores)
                axes.stairs(shares, _BINS, color=colour, fill=True, alpha=0.25)
                axes.stairs(shares, _BINS, color=colour, linewidth=2)
        _mark(axes, row)

    return _svg(draw, f"scores {row.configuration.label}")


def refusal_curve(row: Row) -> str:
    """What each threshold refuses of either kind; empty unless there are questions of both."""
    points = curve(row.outcomes)

    def draw(axes: Axes) -> None:
        thresholds = [point.threshold for point in points]
        axes.plot(thresholds, [point.refused_answerable for point in points], color=_COLOURS[0], linewidth=2)
        axes.plot(
            thresholds, [point.refused_unanswerable for point in points], color=_COLOURS[1], linewidth=2
        )
        axes.set_ylim(-0.02, 1.02)
        _mark(axes, row)

    return _svg(draw, f"refusal {row.configuration.label}") if points else ""


def _mark(axes: Axes, row: Row) -> None:
    """The threshold in use."""
    axes.axvline(row.configuration.threshold, color=_INK, linestyle="--", linewidth=1)
    axes.set_xlim(0, 1)


def _svg(draw: Callable[[Axes], None], name: str) -> str:
    from matplotlib.figure import Figure

    with _style(name):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.grid(visible=True, color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    text = _GROUP_NAME.sub("<g", text[text.index("<svg") :])
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text


@contextmanager
def _style(name: str) -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            # Identifiers of two plots in one page must differ, and those of one be the same each time.
            "svg.hashsalt": name,
            "font.size": 10,
            "text.color": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "axes.edgecolor": _GRID,
        }
    ):
        yield
