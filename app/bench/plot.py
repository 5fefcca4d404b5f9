"""Costs by size as plots for the documentation."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.bench.measuring import growth_exponent

_OURS, _RIVAL = "#0f766e", "#dc2626"


@dataclass(frozen=True, slots=True)
class Plot:
    """Which figures of the rows are drawn, as (name, label, colour), and what the axes are called."""

    x: str
    y: str
    series: tuple[tuple[str, str, str], ...]


LATENCIES = Plot(
    "chunks",
    "median latency in ms",
    (
        ("hybrid_p50_ms", "hybrid search", _OURS),
        ("dense_p50_ms", "dense arm", "#2563eb"),
        ("keyword_p50_ms", "keyword arm", "#7c3aed"),
        ("langchain_faiss_p50_ms", "LangChain FAISS store (dense only)", _RIVAL),
        ("jieba_bm25_p50_ms", "jieba BM25 built per question", "#b45309"),
    ),
)
BUILDING = Plot(
    "chunks",
    "seconds to build",
    (
        ("build_s", "both arms", _OURS),
        ("langchain_faiss_build_s", "LangChain FAISS store (dense only)", _RIVAL),
    ),
)
INGESTION = Plot(
    "documents",
    "seconds to take in",
    (("ingest_s", "Zhiwen", _OURS), ("langchain_ingest_s", "LangChain chain", _RIVAL)),
)
CHATS = Plot(
    "users at once",
    "median ms to the first piece",
    (("first_p50_ms", "Zhiwen", _OURS), ("langchain_first_p50_ms", "LangChain chain", _RIVAL)),
)


def draw(plot: Plot, rows: Sequence[Mapping[str, Any]]) -> str:
    """The figures over the rows' sizes, both logarithmic, with the fitted exponents; an SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": plot.y, "font.family": "sans-serif"}):
        figure = Figure(figsize=(7.5, 4.5), layout="constrained")
        axes = figure.subplots()
        for name, label, colour in plot.series:
            measured = [(row["size"], row[name]) for row in rows if name in row]
            if not measured:
                continue
            sizes, values = zip(*measured, strict=True)
            power = growth_exponent(sizes, values)
            shown = label if power is None else f"{label}: n^{power:.2f}"
            axes.loglog(sizes, values, "o-", color=colour, label=shown)
        axes.set_xlabel(plot.x)
        axes.set_ylabel(plot.y)
        axes.grid(visible=True, alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False, fontsize=9)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
