"""What tells a sentence that answers from one that only resembles the question.

Every feature is a share, a rank or a yes-or-no, free of the scale of any retriever's scores and of
any collection's statistics: terms are weighted by how few of the sentences at hand hold them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence

from app.answering.question_type import QuestionType, candidates, classify
from app.answering.sentences import CELLS, Sentence, content_terms
from vectorstore.chinese import fold
from vectorstore.evidence import quoted_names

_CLAUSE = re.compile(r"[^,、:;。!?()]+")
_REFERS_BACK = re.compile(
    r"[他她它其该此这那本并]|同年|后来|当时|之后|随后|同时|\b(?:he|she|it|they|this|these|his|her|its)\b"
)
_QUANTITY = rf"[0-9{'一二三四五六七八九十百千万亿半两数多余%'}]\s*"
_IDENTIFIER = re.compile(r"(?<![a-z0-9])[a-z]{1,10}[- ]?[0-9]{1,6}[a-z]{0,2}(?![a-z0-9])")
"""A model, version or form number, such as sg-200, v4.3 or hr07, in folded text."""
_LABEL = re.compile(r"(?<![0-9.])([0-9]{1,4})(层|楼|号楼|栋|号线|室|级|章|条)")
"""The number of a floor, a building, a room, a level or a clause."""
_UNIT = re.compile(r"\([^()]*\)$")
"""What stands behind the name of a column, in folded text."""
_LATIN_NAME = re.compile(r"\b[A-Z][a-z]+(?: [A-Z]\.?)? [A-Z][a-z]+")


class Question:
    """A question folded, typed, and cut into the terms that an answering sentence may share."""

    def __init__(self, text: str) -> None:
        self.folded = fold(text)
        self.type: QuestionType = classify(self.folded)
        asked = self.folded[self.type.start : self.type.end]
        rest = self.folded[: self.type.start] + "\n" + self.folded[self.type.end :]
        self.terms = content_terms(rest) - (content_terms(asked) - content_terms(rest))
        self.quoted = quoted_names(self.folded)

    def distance(self, term: str) -> int:
        """Characters between a term and the interrogative, at its nearest occurrence."""
        nearest = len(self.folded)
        at = self.folded.find(term)
        while at >= 0:
            gap = max(at - self.type.end, self.type.start - at - len(term), 0)
            nearest = min(nearest, gap)
            at = self.folded.find(term, at + 1)
        return nearest


def names_another(question: Question, sentence: Sentence) -> bool:
    """Whether the sentence names a model, version, form number or floor, and none of those asked for."""
    asked, named = (set(_IDENTIFIER.findall(text)) for text in (question.folded, sentence.folded))
    if asked and named and not asked & named:
        return True
    labels, others = set(_LABEL.findall(question.folded)), set(_LABEL.findall(sentence.folded))
    return bool(
        labels and not labels & others and {kind for _, kind in labels} & {kind for _, kind in others}
    )


def names_same_label(question: Question, sentence: Sentence) -> bool:
    """Whether a table's row is about the floor, the building or the clause that was asked for."""
    row, asked = CELLS in sentence.text, set(_LABEL.findall(question.folded))
    return row and not asked.isdisjoint(_LABEL.findall(sentence.folded))


def crosses_what_was_asked(question: Question, sentence: Sentence, header: str) -> bool:
    """Whether the question names both a column of a table and a whole cell of this row beside it."""
    columns = _named_cells(question, fold(header))
    return any(row != column for row in _named_cells(question, sentence.folded) for column in columns)


def _named_cells(question: Question, folded: str) -> list[int]:
    cells = [_UNIT.sub("", cell).strip() for cell in folded.split(CELLS)]
    return [at for at, cell in enumerate(cells) if _is_word(cell) and cell in question.folded]


def _is_word(cell: str) -> bool:
    return len(cell) > 1 and not cell.isdigit()


def term_weights(question: Question, sentences: Sequence[Sentence]) -> dict[str, float]:
    """Inverse document frequency, over these sentences, of the question's terms found in any."""
    total = len(sentences)
    weights = {}
    for term in question.terms:
        frequency = sum(term in sentence.terms for sentence in sentences)
        if frequency:
            weights[term] = math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
    return weights


def _share(weights: Mapping[str, float], present: Collection[str]) -> float:
    whole = sum(weights.values())
    return sum(weight for term, weight in weights.items() if term in present) / whole if whole else 0.0


def _common_run(question: str, sentence: str) -> int:
    """Length of the longest string that both hold."""
    best = 0
    for start in range(len(question)):
        while start + best < len(question) and question[start : start + best + 1] in sentence:
            best += 1
    return best


def features(question: Question, sentences: Sequence[Sentence]) -> list[dict[str, float]]:
    """The features of every sentence; one that a sentence lacks is zero.

    `sentences` are those of all hits, as `sentences_of` gives them.
    """
    weights = term_weights(question, sentences)
    # Pairs and words carry the meaning; single characters of Chinese only support it.
    pairs = {term: weight for term, weight in weights.items() if len(term) > 1}
    singles = {term: weight for term, weight in weights.items() if len(term) == 1 or term.isascii()}
    near = {term: weight * math.exp(-question.distance(term) / 4) for term, weight in weights.items()}
    precise = {term: weight for term, weight in weights.items() if term.isascii()}
    covered = [_share(pairs, sentence.terms) for sentence in sentences]
    covered_singles = [_share(singles, sentence.terms) for sentence in sentences]
    most, most_singles = max(covered, default=0.0) or 1.0, max(covered_singles, default=0.0) or 1.0
    members: dict[int, list[int]] = {}
    for number, sentence in enumerate(sentences):
        members.setdefault(sentence.hit, []).append(number)
    unions = {
        hit: frozenset().union(*(sentences[n].terms | sentences[n].context for n in numbers))
        for hit, numbers in members.items()
    }
    hit_share = {hit: _share(pairs, union) for hit, union in unions.items()}
    best_hit = max(hit_share.values(), default=0.0) or 1.0

    rows = []
    for number, sentence in enumerate(sentences):
        same = members[sentence.hit]
        place = number - same[0]
        before = sentences[number - 1] if place else None
        lead = sentences[same[0]].terms
        fresh = {term: weight for term, weight in pairs.items() if term not in lead}
        inherited = sentence.context | (before.terms if before else frozenset())
        row = {
            "pairs": covered[number],
            "pairs_of_best": covered[number] / most,
            "pairs_best": float(covered[number] == most),
            "singles": covered_singles[number],
            "singles_of_best": covered_singles[number] / most_singles,
            "pairs_before": covered[number - 1] if place else 0.0,
            "pairs_after": covered[number + 1] if place + 1 < len(same) else 0.0,
            "pairs_with_context": _share(pairs, sentence.terms | inherited),
            # A passage names its subject once, and later sentences speak of the rest.
            "pairs_beside_subject": _share(fresh, sentence.terms) if place and fresh else covered[number],
            "near_interrogative": _share(near, sentence.terms),
            "common_run": _common_run(question.folded, sentence.folded) / max(4, len(question.folded)),
            "words_and_numbers": _share(precise, sentence.terms),
            "quoted_names": _mean([name in sentence.folded for name in question.quoted]),
            "focus": _focus(question.type.focus, sentence.folded),
            "log_length": math.log(max(1, len(sentence.text)) / 40),
            "log_length_squared": math.log(max(1, len(sentence.text)) / 40) ** 2,
            "new_content": math.log1p(len(sentence.terms - question.terms)) / 4,
            "hit_rank": 1 / (1 + sentence.hit),
            "hit_first": float(sentence.hit == 0),
            "hit_covered": hit_share[sentence.hit],
            "hit_covered_of_best": hit_share[sentence.hit] / best_hit,
            "leads": float(sentence.position == 0),
            "place": place / max(1, len(same) - 1),
            "asks_itself": float(sentence.folded.rstrip("”」』\"'").endswith("?")),
            "very_short": float(len(sentence.text) < 8),
        }
        if _REFERS_BACK.match(sentence.folded):
            row["refers_back"] = 1.0
            row["refers_back_to_covered"] = row["pairs_before"]
        row.update(_kind_features(question, sentence, pairs, row))
        rows.append(row)
    return rows


def _kind_features(
    question: Question, sentence: Sentence, pairs: Mapping[str, float], row: Mapping[str, float]
) -> dict[str, float]:
    """What depends on the kind of question: candidates for its answer and where they stand."""
    kind = question.type.kind
    spans = [
        span
        for span in candidates(kind, sentence.folded)
        if sentence.folded[slice(*span)] not in question.folded
    ]
    if kind in ("person", "name"):
        names = [found[0].casefold() for found in _LATIN_NAME.finditer(sentence.text)]
        spans += [(0, 0)] * sum(name not in question.folded for name in names)
    beside = 0.0
    for clause in _CLAUSE.finditer(sentence.folded):
        if any(start < clause.end() and end > clause.start() for start, end in spans):
            beside = max(beside, _share(pairs, content_terms(clause[0])))
    found = {
        f"candidate:{kind}": float(bool(spans)),
        f"candidates:{kind}": min(len(spans), 4) / 4,
        f"no_candidate_pairs:{kind}": 0.0 if spans else row["pairs"],
        "pairs_beside_candidate": beside,
        f"pairs:{kind}": row["pairs"],
        f"near_interrogative:{kind}": row["near_interrogative"],
        f"leads:{kind}": row["leads"],
        f"log_length:{kind}": row["log_length"],
    }
    if kind in ("number", "time"):
        unit = question.type.focus[:1] or question.type.before
        found["unit"] = float(bool(unit) and bool(re.search(_QUANTITY + re.escape(unit), sentence.folded)))
    return found


def _focus(focus: str, folded: str) -> float:
    if not focus:
        return 0.0
    if focus.isascii() or len(focus) == 1:
        return float(focus in folded)
    return 1.0 if focus[:2] in folded else 0.5 * (focus[1] in folded)


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
