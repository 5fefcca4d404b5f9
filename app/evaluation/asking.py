"""One question through retrieval and quoting, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.answering.answerer import Answerer
from app.answering.types import Answer, Final
from app.evaluation.figures import DEPTH, Outcome
from app.evaluation.question_sets import Question
from app.evaluation.runs import Failure, Found
from app.service import Service
from knowledge_base.retrieval import Retrieval
from knowledge_base.types import Hit

_SHOWN_HITS = 3
_SHOWN_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was searched for, with everything that the outcome depends on."""

    question: Question
    answerable: bool
    """Whether it should be answered: by the set, and with its sources at hand."""
    rank: int
    retrieval: Retrieval

    def outcome(self, *, threshold: float, top_k: int) -> tuple[Outcome, str]:
        """What a user would get at this threshold, with the quotes."""
        hits = self.retrieval.hits
        answer = self._answer([hit for hit in hits if hit.score >= threshold][:top_k])
        shown = "".join(citation.quote for citation in answer.citations)
        accepted = [text for answer in self.question.answers if (text := _squeezed(answer))]
        contained = any(text in _squeezed(shown) for text in accepted) if accepted else None
        relevance = hits[0].score if hits else 0.0
        return Outcome(self.answerable, self.rank, relevance, answer.refused, contained, len(shown)), shown

    def _answer(self, used: list[Hit]) -> Answer:
        retrieval = Retrieval(used, self.retrieval.query_vector)
        events = Answerer(lambda _: retrieval).stream(self.question.text)
        return next(event.answer for event in events if isinstance(event, Final))

    def failure(self, place: int, quote: str) -> Failure:
        """What was found instead, for the reader."""
        found = [
            Found(hit.document, hit.page, round(hit.score, 4), hit.text[:_SHOWN_CHARACTERS])
            for hit in self.retrieval.hits[:_SHOWN_HITS]
        ]
        return Failure(place, tuple(found), quote)


def ask(
    service: Service,
    question: Question,
    knowledge_bases: Sequence[str],
    *,
    gold: Collection[str] | None,
    answerable: bool,
    top_k: int,
    among: Collection[str] | None,
) -> Asked:
    """Search for a question. `gold` holds the ids of its documents, None where it names none.

    `among` holds the ids of the only documents searched, None for all.
    """
    retrieval = service.retrieve(
        question.text, knowledge_bases, top_k=max(DEPTH, top_k), threshold=0.0, document_ids=among
    )
    answers = [_squeezed(answer) for answer in question.answers if answer.strip()]

    def right(hit: Hit) -> bool:
        if gold is not None:
            return hit.document_id in gold
        return any(answer in _squeezed(hit.text) for answer in answers)

    ranks = (n for n, hit in enumerate(retrieval.hits[:DEPTH], start=1) if answerable and right(hit))
    return Asked(question, answerable, next(ranks, 0), retrieval)


def _squeezed(text: str) -> str:
    return "".join(text.split())
