"""Questions that lean on the history, made to stand alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.answering.types import Turn


def standalone_question(
    question: str, history: Sequence[Turn], *, rewrite: Callable[[str], str] | None = None
) -> str:
    """The question as it is."""
    return question
