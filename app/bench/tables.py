"""Measurements by size as text: a table, and by what power of the size each cost grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.bench.measuring import growth_exponent

BARS = {
    200_000: {"hybrid_p95_ms": 15.0},
    1_000_000: {"hybrid_p95_ms": 40.0},
}
"""Most milliseconds that a search may take, by size, as DESIGN promises."""
LEAST_RECALL = 0.99
LEAST_SPEEDUP = 100.0


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A column a size, a line a figure; those measured at no size are left out."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "size"))
    lines = ["| | " + " | ".join(f"{row['size']:,}" for row in rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for name in names:
        cells = [f"{row[name]:,}" if name in row else "" for row in rows]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def exponents(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """For every cost measured at two sizes or more, the power of the size by which it grows."""
    found = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        if not name.endswith(("_ms", "_s", "_mb")):
            continue
        measured = [(row["size"], row[name]) for row in rows if row.get(name, 0) > 0]
        power = growth_exponent(*zip(*measured, strict=True)) if measured else None
        if power is not None:
            found[name] = round(power, 2)
    return found


def misses(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The bars that were not reached."""
    missed = []
    for row in rows:
        size = row["size"]
        for name, most in BARS.get(size, {}).items():
            if row.get(name, 0.0) > most:
                missed.append(f"{name} {row[name]} > {most:g} ({size:,})")
        if row.get("dense_recall@10", 1.0) < LEAST_RECALL:
            missed.append(f"dense_recall@10 {row['dense_recall@10']} < {LEAST_RECALL} ({size:,})")
        if row.get("keyword_speedup", LEAST_SPEEDUP) < LEAST_SPEEDUP:
            missed.append(f"keyword_speedup {row['keyword_speedup']} < {LEAST_SPEEDUP:g} ({size:,})")
    return missed
