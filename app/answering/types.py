"""What an answer is made of, whole and streamed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from loaders.document import Box

Mode = Literal["documents", "chat"]
"""Whether an answer rests on documents, or a chat model just talks."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that the answer rests on; `index` is the number in brackets in the answer."""

    index: int
    knowledge_base: str
    document: str
    document_id: str
    chunk_id: int
    page: int | None
    text: str
    """The whole passage."""
    quote: str
    """The sentence of it that supports the answer."""
    score: float
    boxes: tuple[Box, ...] = ()
    """Where the quote stands on its page."""
    edited: bool = False
    """The passage was written by hand, so it stands on no page like this."""


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """A sentence of an answer that a language model wrote, as `answer[start:end]`, and what bears it out."""

    start: int
    end: int
    citations: tuple[int, ...]
    """Numbers of the passages that it cites."""
    support: float | None
    """How far these passages, or all where it cites none, bear it out, in [0, 1]; None: it claims nothing."""
    supported: bool
    """False marks a sentence to be read with care."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """What a language model read and wrote for an answer, in its own tokens."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its citations, or a refusal without any.

    `timings` are seconds by stage: rewrite, embed, search, first_token, total.
    """

    answer: str
    refused: bool
    model: str
    citations: tuple[Citation, ...]
    timings: dict[str, float] = field(default_factory=dict)
    question: str = ""
    """The question as it was searched, standing alone."""
    sentences: tuple[AnswerSentence, ...] = ()
    """What a language model wrote, by sentence; a quoted answer needs none."""
    usage: TokenUsage | None = None
    """Tokens of the language model; None where none was asked, or its server does not tell."""
    documents_pending: int = 0
    """Documents of the knowledge bases asked that were still to be read or stored, so not searched."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Streamed first: the passages that the answer may cite."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Streamed before the first token, about once a second.

    `position` counts the requests to be answered before this one; 0: the model works on it.
    """

    position: int


@dataclass(frozen=True, slots=True)
class Token:
    """Streamed: the next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """Streamed last: the whole answer."""

    answer: Answer


Event = Sources | Waiting | Token | Final
