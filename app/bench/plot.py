"""Latency by size of the collection, as a plot for the documentation."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from app.bench.measuring import growth_exponent

_SERIES = (
    ("hybrid", "hybrid search", "#0f766e"),
    ("dense", "dense arm", "#2563eb"),
    ("keyword", "keyword arm", "#7c3aed"),
    ("langchain_faiss", "LangChain FAISS store (dense only)", "#dc2626"),
    ("jieba_bm25", "jieba BM25 built per question", "#b45309"),
)


def plot_latencies(rows: Sequence[Mapping[str, Any]]) -> str:
    """Median latencies over the sizes, both logarithmic, with the fitted exponents; an SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "latencies", "font.family": "sans-serif"}):
        figure = Figure(figsize=(7.5, 4.5), layout="constrained")
        axes = figure.subplots()
        for name, label, colour in _SERIES:
            measured = [(row["size"], row[f"{name}_p50_ms"]) for row in rows if f"{name}_p50_ms" in row]
            if not measured:
                continue
            sizes, values = zip(*measured, strict=True)
            power = growth_exponent(sizes, values)
            shown = label if power is None else f"{label}: n^{power:.2f}"
            axes.loglog(sizes, values, "o-", color=colour, label=shown)
        axes.set_xlabel("chunks")
        axes.set_ylabel("median latency in ms")
        axes.grid(visible=True, alpha=0.3)
        axes.legend(frameon=False, fontsize=9)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
