"""Splitting documents into chunks: structure first, then sentences, clauses, and a hard cut last."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Protocol

from loaders.document import Block, Chunk, Line, ParsedDocument, Section
from loaders.sentences import split_sentences

_CLAUSE = re.compile(r"[^，、,：:；;|\n]*(?:[，、,：:；;|\n]+|$)")
_ROW = re.compile(r"[^\n]+")
_MERGED = frozenset({"paragraph", "list", "code"})


class Splitter(Protocol):
    """Cuts a parsed document into chunks."""

    @property
    def fingerprint(self) -> str:
        """Names the splitter and everything that changes its chunks."""
        ...

    def split(self, document: ParsedDocument) -> list[Chunk]:
        """Chunks in the order of the text, `chunk.text == document.text[chunk.start:chunk.end]`."""
        ...


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span that is not cut any further, at most a chunk long."""

    start: int
    end: int
    section: Section
    begins: bool
    """Whether a paragraph, item or row begins here."""


class ChineseTextSplitter:
    """Recursive splitter for Chinese and Western text that knows the document's structure.

    A chunk's text is never longer than `chunk_size` characters. Headings stay with the text below
    them; neighbouring paragraphs under one heading and on one page share a chunk while they fit;
    a paragraph that does not fit is cut between sentences into chunks of about equal length,
    neighbours sharing whole sentences of up to `overlap` characters. Table rows stay whole, below
    the sentence of up to `overlap` characters that leads to them; and a FAQ pair is one chunk, unless
    one alone is too long.

    Raises `ValueError` when `chunk_size` is below 20 or `overlap` is not in [0, chunk_size / 2].
    """

    def __init__(self, *, chunk_size: int = 480, overlap: int = 80) -> None:
        if chunk_size < 20:
            raise ValueError(f"chunk_size must be at least 20, not {chunk_size}.")
        if not 0 <= overlap <= chunk_size // 2:
            raise ValueError(f"overlap must lie between 0 and half of chunk_size, not {overlap}.")
        self.chunk_size = chunk_size
        self.overlap = overlap

    @property
    def fingerprint(self) -> str:
        """Names the splitter and its parameters."""
        return f"chinese-recursive-2/size={self.chunk_size}/overlap={self.overlap}"

    def split(self, document: ParsedDocument) -> list[Chunk]:
        """Chunks in the order of the text, `chunk.text == document.text[chunk.start:chunk.end]`."""
        places = Places(document)
        chunks: list[Chunk] = []
        before: Section | None = None
        for sections in _groups(document.sections):
            units = self._units(document.text, sections)
            if before is not None and units:
                units = self._led_to(document.text, before, units)
            before = sections[-1]
            body = next((unit.section for unit in units if unit.section.block.kind != "heading"), None)
            for start, end, section in self._pack(units):
                if section.block.kind == "heading" and body is not None:
                    section = body
                chunks.append(places.chunk(start, end, section))
        return chunks

    def split_text(self, text: str) -> list[str]:
        """Split plain text; the chunks as strings."""
        whole = Section(0, len(text), Block(text), None)
        return [chunk.text for chunk in self.split(ParsedDocument(text, (whole,), 1))]

    def _units(self, text: str, sections: Sequence[Section]) -> list[_Unit]:
        units: list[_Unit] = []
        for section in sections:
            spans = _rows(text, section) if _is_lined(section) else _sentences(text, section)
            for start, end in spans:
                begins = _begins_line(text, section.start, start)
                pieces = [(start, end)]
                if end - start > self.chunk_size:
                    pieces = list(self._cut(text, start, end, self.chunk_size, sentences=_is_lined(section)))
                for number, (low, high) in enumerate(pieces):
                    units.append(_Unit(low, high, section, begins and number == 0))
        return self._glue_headings(text, units)

    def _glue_headings(self, text: str, units: list[_Unit]) -> list[_Unit]:
        """Make the headings above a text one unit with its first sentence, so that no cut parts them."""
        heads = 0
        while heads < len(units) and units[heads].section.block.kind == "heading":
            heads += 1
        if heads == 0 or heads == len(units):
            return units
        start, body = units[0].start, units[heads]
        room = self.chunk_size - (body.start - start)
        if room < self.chunk_size // 4:
            return units
        if body.end - body.start <= room:
            return [replace(body, start=start), *units[heads + 1 :]]
        pieces = list(self._cut(text, body.start, body.end, room, sentences=True))
        first, *rest = [replace(body, start=low, end=high, begins=False) for low, high in pieces]
        return [replace(first, start=start, begins=True), *rest, *units[heads + 1 :]]

    def _led_to(self, text: str, before: Section, units: list[_Unit]) -> list[_Unit]:
        """Begin a table with the sentence before it, which often says what its rows are about."""
        first = units[0]
        if not _leads(before, first.section):
            return units
        start = _sentences(text, before)[-1:]
        if not start or start[0][1] - start[0][0] > self.overlap or first.end - start[0][0] > self.chunk_size:
            return units
        return [replace(first, start=start[0][0]), *units[1:]]

    def _cut(
        self, text: str, start: int, end: int, limit: int, *, sentences: bool
    ) -> Iterator[tuple[int, int]]:
        """Cut a span that is too long into sentences, those into clauses, and those anywhere."""
        spans = split_sentences(text[start:end]) if sentences else [(0, end - start)]
        for low, high in spans:
            if high - low <= limit:
                yield start + low, start + high
                continue
            for clause in _CLAUSE.finditer(text, start + low, start + high):
                # Small pieces, so that neighbouring chunks can share one of them.
                yield from _hard_cut(text, *clause.span(), limit, min(limit, max(self.overlap, 20)))

    def _pack(self, units: Sequence[_Unit]) -> Iterator[tuple[int, int, Section]]:
        """Spans of chunks over consecutive units."""
        first = 0
        while first < len(units):
            last = self._choose_end(units, first)
            yield units[first].start, units[last - 1].end, units[first].section
            if last == len(units):
                return
            first = self._step_back(units, first, last)

    def _choose_end(self, units: Sequence[_Unit], first: int) -> int:
        """The unit before which the chunk that begins at `first` ends.

        What is left is cut into chunks of about equal length, since a short last one would be
        found less well; an end of a paragraph near that length is preferred.
        """
        start, size = units[first].start, self.chunk_size
        left = units[-1].end - start
        if left <= size:
            return len(units)
        share = math.ceil((left - self.overlap) / (size - self.overlap))
        target = min(size, (left + (share - 1) * self.overlap) / share)
        best, best_cost = first + 1, math.inf
        for end in range(first + 1, len(units)):
            length = units[end - 1].end - start
            if length > size:
                break
            cost = abs(length - target) / size - (0.25 if units[end].begins else 0.0)
            if cost <= best_cost:
                best, best_cost = end, cost
        return best

    def _step_back(self, units: Sequence[_Unit], first: int, last: int) -> int:
        """The unit at which the next chunk begins, so that it repeats the end of this one."""
        if units[last].begins:
            return last
        begin = last
        while (
            begin - 1 > first
            and units[last - 1].end - units[begin - 1].start <= self.overlap
            and units[last].end - units[begin - 1].start <= self.chunk_size
        ):
            begin -= 1
        return begin


class Places:
    """Makes chunks of spans of a document, with the boxes that lie under each."""

    def __init__(self, document: ParsedDocument) -> None:
        self._text = document.text
        self._lines = sorted(
            (
                replace(line, start=line.start + section.start, end=line.end + section.start)
                for section in document.sections
                for line in section.block.lines
            ),
            key=attrgetter("start"),
        )
        self._ends = [line.end for line in self._lines]

    def chunk(self, start: int, end: int, section: Section) -> Chunk:
        """The chunk of `text[start:end]`, whose context is that of `section`."""
        lines: list[Line] = []
        for index in range(bisect_left(self._ends, start + 1), len(self._lines)):
            line = self._lines[index]
            if line.start >= end:
                break
            part = line.cut(start, end)
            if part is not None:
                lines.append(part)
        return Chunk(
            start,
            end,
            self._text[start:end],
            lines[0].box.page if lines else section.page,
            section.heading_path,
            section.block.kind,
            section.block.header,
            section.block.question,
            tuple(lines),
        )


def _groups(sections: Sequence[Section]) -> Iterator[list[Section]]:
    """Neighbouring sections that may share chunks, with the headings above them."""
    group: list[Section] = []
    for section in sections:
        if group and not _belongs(group[-1], section):
            yield group
            group = []
        group.append(section)
    if group:
        yield group


def _belongs(before: Section, section: Section) -> bool:
    if before.block.kind == "heading":
        # A heading goes with what follows, but a new chapter leaves an empty one behind.
        deeper = section.block.kind != "heading" or section.block.level > before.block.level
        return deeper and section.block.kind != "faq"
    return (
        before.block.kind in _MERGED
        and section.block.kind in _MERGED
        and before.heading_path == section.heading_path
        and before.page == section.page
    )


def _leads(before: Section, section: Section) -> bool:
    return (
        before.block.kind == "paragraph"
        and section.block.kind == "table"
        and before.heading_path == section.heading_path
        and before.page == section.page
    )


def _is_lined(section: Section) -> bool:
    return section.block.kind in ("table", "list", "code")


def _sentences(text: str, section: Section) -> list[tuple[int, int]]:
    if section.block.kind in ("heading", "faq"):
        stripped = section.block.text.strip()
        start = section.start + section.block.text.index(stripped)
        return [(start, start + len(stripped))]
    return [
        (section.start + low, section.start + high)
        for low, high in split_sentences(text[section.start : section.end])
    ]


def _rows(text: str, section: Section) -> list[tuple[int, int]]:
    spans = []
    for row in _ROW.finditer(text, section.start, section.end):
        found = row.group()
        if found.strip():
            start = row.start() + len(found) - len(found.lstrip())
            spans.append((start, row.start() + len(found.rstrip())))
    return spans


def _begins_line(text: str, low: int, start: int) -> bool:
    while start > low and text[start - 1] in " \t\u3000":
        start -= 1
    return start == low or text[start - 1] == "\n"


def _hard_cut(text: str, start: int, end: int, limit: int, piece: int) -> Iterator[tuple[int, int]]:
    step = piece if end - start > limit else end - start
    while start < end:
        stop = min(end, start + step)
        if stop < end:
            # Rather between two words than inside one.
            space = text.rfind(" ", start + step // 2, stop)
            stop = space + 1 if space > 0 else stop
        low, high = start, stop
        while low < high and text[low].isspace():
            low += 1
        while high > low and text[high - 1].isspace():
            high -= 1
        if low < high:
            yield low, high
        start = stop
