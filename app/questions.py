"""Questions over knowledge bases: searched, and answered at once or as a stream."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from app.answering.answerer import QUOTE_MODEL, Answerer
from app.answering.types import Answer, Event, Final, Mode, Turn
from app.errors import ModelNeededError, QuestionError
from app.parts import Parts
from knowledge_base.retrieval import Retrieval
from knowledge_base.types import Hit
from vectorstore.base import AS_CALIBRATED, Weights

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Unpack

    from models.embedder import Embedder


class SearchOptions(TypedDict, total=False):
    """How to search; what is left out is as the settings say."""

    top_k: int | None
    threshold: float | None
    neighbours: bool | None
    weights: Weights
    document_ids: Collection[str] | None
    """The documents to search in; all when None."""


class AskOptions(TypedDict, total=False):
    """How to answer; what is left out is as the settings say."""

    history: Sequence[Turn]
    """Earlier turns, oldest first."""
    top_k: int | None
    threshold: float | None
    model: str | None
    neighbours: bool | None
    weights: Weights
    mode: Mode


class Questions:
    """The part of the service that searches and answers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.settings = parts.settings
        self.models = parts.models

    def search(
        self, query: str, knowledge_bases: Sequence[str], **options: Unpack[SearchOptions]
    ) -> list[Hit]:
        """The best passages, best first."""
        return self.retrieve(query, knowledge_bases, **options).hits

    def retrieve(
        self,
        query: str,
        knowledge_bases: Sequence[str],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
        document_ids: Collection[str] | None = None,
        neighbours: bool | None = None,
        weights: Weights = AS_CALIBRATED,
    ) -> Retrieval:
        """Like `search`, with the query's vector."""
        self._check_question(query)
        return self._parts.retriever.search(
            query.strip(),
            knowledge_bases,
            top_k=top_k or self.settings.retrieval.top_k,
            threshold=self.settings.retrieval.threshold if threshold is None else threshold,
            document_ids=document_ids,
            neighbours=self.settings.retrieval.neighbours if neighbours is None else neighbours,
            weights=weights,
        )

    def ask(self, question: str, knowledge_bases: Sequence[str], **options: Unpack[AskOptions]) -> Answer:
        """Answer a question at once."""
        events = self.ask_stream(question, knowledge_bases, **options)
        return next(event.answer for event in events if isinstance(event, Final))

    def ask_stream(
        self,
        question: str,
        knowledge_bases: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        top_k: int | None = None,
        threshold: float | None = None,
        model: str | None = None,
        neighbours: bool | None = None,
        weights: Weights = AS_CALIBRATED,
        mode: Mode = "documents",
    ) -> Iterator[Event]:
        """Answer a question as a stream; what is wrong with the request is raised before it begins.

        The mode "chat" asks the chat model without any document.
        """
        self._check_question(question)
        pending = self.documents_pending(knowledge_bases)
        name = model or self.settings.answering.model
        chat_model = None if name == QUOTE_MODEL else self.models(name)
        if mode == "chat" and chat_model is None:
            raise ModelNeededError("only a chat model can answer without documents")

        def search(query: str) -> Retrieval:
            return self.retrieve(
                query,
                knowledge_bases,
                top_k=top_k,
                threshold=threshold,
                neighbours=neighbours,
                weights=weights,
            )

        answerer = Answerer(
            None if mode == "chat" else search,
            chat_model=chat_model,
            prompts=self._parts.prompts.of(knowledge_bases, self._parts.catalogue.prompts(knowledge_bases)),
            embed=self._embed,
        )
        recent = (
            history[-self.settings.answering.history_turns :] if self.settings.answering.history_turns else ()
        )
        return _with_pending(answerer.stream(question.strip(), recent), pending if mode != "chat" else 0)

    def documents_pending(self, knowledge_bases: Sequence[str]) -> int:
        """How many documents of these knowledge bases are still to be read or stored."""
        return self._parts.jobs.files_pending(
            [self._parts.catalogue.key(name).id for name in knowledge_bases]
        )

    def threshold(self, threshold: float | None = None) -> float:
        """The relevance that counts: the one given, else that of the settings, else the calibrated."""
        for value in (threshold, self.settings.retrieval.threshold):
            if value is not None:
                return value
        return self._parts.default_threshold()

    def embedder(self) -> Embedder:
        """The embedder, loaded."""
        return self._parts.embedder()

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        return self._parts.embedder().encode_documents(list(texts))

    def _check_question(self, question: str) -> None:
        maximum = self.settings.limits.question_characters
        if not question.strip() or len(question) > maximum:
            raise QuestionError(f"a question has 1 to {maximum} characters", maximum=maximum)


def _with_pending(events: Iterator[Event], pending: int) -> Iterator[Event]:
    for event in events:
        if isinstance(event, Final):
            event = Final(replace(event.answer, documents_pending=pending))
        yield event
