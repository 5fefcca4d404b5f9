"""The sentences of some hits as candidates for a quote, each with the context it stands in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge_base.types import Hit
from loaders.sentences import split_sentences
from vectorstore.chinese import fold, terms
from vectorstore.english import stem
from vectorstore.synonyms import Reading

_FUNCTION_WORDS = frozenset(
    "的了是在和与及或而于为以之其有被将把对从由到这那也都就并则所等中上下个一不吗呢吧啊"
) | {
    *("the", "a", "an", "of", "to", "in", "on", "at", "is", "are", "was", "were", "be", "do", "does", "did"),
    *("for", "and", "or", "by", "with", "it", "its", "as", "that", "this"),
}
_LIST_MARK = re.compile(r"[-*+•·▪◦]\s|[(（]?[0-9一二三四五六七八九十]{1,3}[)）.、．]|[①-⑳]|[a-zA-Z][.)]\s|>")
CELLS = " | "
"""Between the cells of a row."""
_CLOSED = re.compile(r"[。！？；：.!?;:…,，、|][”’」』）】)\]\"']*$")
_LONGEST_HEADING = 50
"""In columns; a Chinese character takes two. Longer lines are wrapped text rather than headings."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence (or table row, or list item) of a hit: `hits[hit].text[start:end]`.

    `terms` are its own, without function words; `context` those of what it stands under: headings,
    the table's header, a FAQ pair's question. A heading is no answer, so it is not `quotable`.
    """

    hit: int
    position: int
    """0 for the first sentence of its hit."""
    start: int
    end: int
    text: str
    folded: str
    terms: frozenset[str]
    context: frozenset[str]
    quotable: bool = True
    lists: bool = False
    """Begins with the mark of a list item."""


def content_terms(folded: str) -> frozenset[str]:
    """The characters, character pairs and stems of words of folded text, without function words."""
    return frozenset(map(stem, frozenset(terms(folded)) - _FUNCTION_WORDS))


def sentences_of(hits: Sequence[Hit], read: Reading = str) -> list[Sentence]:
    """Every sentence of the hits in order; one that overlapping hits share comes once.

    `read` gives their folded texts in the words of a question.
    """
    found: list[Sentence] = []
    seen: set[tuple[str, str]] = set()
    for number, hit in enumerate(hits):
        outer = content_terms(read(fold("\n".join((*hit.heading_path, hit.header, hit.question)))))
        titles = {"".join(title.split()) for title in hit.heading_path}
        context = outer
        fresh: list[Sentence] = []
        for position, (start, end) in enumerate(_spans(hit)):
            text = hit.text[start:end]
            folded = read(fold(text))
            own = content_terms(folded)
            heading = _is_title(hit, text, titles) or (
                hit.kind not in ("table", "faq") and _is_heading(hit.text, start, end, titles)
            )
            if heading:
                context = outer | own
            if (hit.document_id, folded) in seen and hit.kind != "table":
                continue
            seen.add((hit.document_id, folded))
            fresh.append(
                Sentence(
                    hit=number,
                    position=position,
                    start=start,
                    end=end,
                    text=text,
                    folded=folded,
                    terms=own,
                    context=context,
                    quotable=not heading,
                    lists=bool(_LIST_MARK.match(text)),
                )
            )
        found.extend(fresh)
    return found


def _spans(hit: Hit) -> list[tuple[int, int]]:
    if hit.kind in ("table", "code"):
        return [found.span() for found in re.finditer(r"[^\s][^\n]*", hit.text)]
    return split_sentences(hit.text)


def _is_title(hit: Hit, line: str, titles: set[str]) -> bool:
    """Whether a table's line is its title rather than a row: one of the headings, or without cells."""
    if hit.kind != "table":
        return False
    return "".join(line.split()) in titles or (CELLS in hit.text and CELLS not in line)


def _is_heading(text: str, start: int, end: int, titles: set[str]) -> bool:
    """Whether a line of its own is a heading: one of the hit's titles, or short and left open."""
    if (start and text[start - 1] not in "\n \t\u3000") or (end < len(text) and text[end] not in "\r\n"):
        return False
    line = text[start:end]
    if line.startswith("#") or "".join(line.split()) in titles:
        return True
    width = sum(2 if mark > "\u2e7f" else 1 for mark in line)
    if width > _LONGEST_HEADING or end == len(text) or re.search(r"[:：|=]|[0-9]{3}", line):
        return False
    return not _CLOSED.search(line) and not _LIST_MARK.match(line)
