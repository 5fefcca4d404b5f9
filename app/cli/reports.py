"""Reports as text for a terminal."""

from __future__ import annotations

from typing import Any


def evaluation_text(report: dict[str, Any], prefix: str = "") -> str:
    """An evaluation as aligned lines."""
    lines = []
    for key, value in report.items():
        if isinstance(value, dict):
            lines.append(evaluation_text(value, f"{key}."))
        else:
            lines.append(f"{prefix + key:<32}{'-' if value is None else value}")
    return "\n".join(lines)
