"""The `[n]` in an answer: reading them as they stream, checking them, mapping them to sentences.

Models write the numbers of their passages in many forms: `[1]`, `[1][2]`, `[1, 2]`, `[1-3]`, `【1】`,
`［１］`, `[^1]`, `[资料1]`, `【1†source】`, and at the end of a sentence `(1)`. Every form is turned into
`[1]`; numbers of passages that do not exist are removed. What stands in code is left alone, and so
are intervals ("[18, 60]岁") and elements of a sequence ("a[0]").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from knowledge_base.types import Hit
from loaders.sentences import split_sentences

_LABEL = (
    r"(?:\^|#|(?:资料|来源|文档|文献|引用|参考|出处|依据|sources?|passages?|documents?|docs?|refs?|citations?)"
    r"\s*[:：#]?\s*)?"
)
_RANGE = r"\s*(?:-|–|—|~|～|至|到|to)\s*"
_NUMBERS = rf"\d{{1,3}}(?:{_RANGE}{_LABEL}\d{{1,3}})?"
_BETWEEN = r"\s*(?:[,，、;；&]|和|and)\s*"
_BODY = rf"\s*({_LABEL}{_NUMBERS}(?:{_BETWEEN}{_LABEL}{_NUMBERS})*)\s*(?:†[^\[\]【】［］\n]{{0,24}})?"
_SQUARE = re.compile(rf"[ \t]*[\[【［]{_BODY}[\]】］]", re.IGNORECASE)
_ROUND = re.compile(rf"[ \t]*[(（]{_BODY}[)）]", re.IGNORECASE)
_OPENING = re.compile(r"[ \t]*[\[【［(（]|[ \t]+$")
_UNFINISHED = re.compile(r"[ \t]*[\[【［(（](?:[\w\s,，、;；&^#:：~～–—-]|†[^\[\]【】［］\n]*)*")
_LONGEST = 48
"""Characters up to which an opening bracket may still become a mark."""
_NUMBER_OR_RANGE = re.compile(rf"(\d+)(?:{_RANGE}{_LABEL}(\d+))?", re.IGNORECASE)
_NEVER_BEFORE = re.compile(r"[式图表条款项注例页第号件录步骤〇零一二三四五六七八九十百千万亿两\s(（\[]$|^$")
"""What stands before a number in round brackets that is no citation: 公式(1), 三(3), a numbered list."""
_PAIR = re.compile(r"\s*.\s*(\d+)\s*[,，]\s*(\d+)\s*.")
_BEFORE_INTERVAL = re.compile(r"(?:[在为取∈=]|介于|区间|范围|between|within|from)\s*$", re.IGNORECASE)
_BEFORE_INDEX = re.compile(r"(?<![A-Za-z0-9])(?<!\d )[a-z]$")
"""The letter of a sequence; 5 m is a length."""
_SENTENCE_END = "。！？；.!?;\n，,"
_MARKS = re.compile(r"(?:\s*\[\d{1,3}\])+")
_MARK = re.compile(r"\[(\d{1,3})\]")
_NUMBERING = re.compile(r"\s*(?:\d{1,3}|[a-zA-Z]|[一二三四五六七八九十]{1,3})[.．、)）](?!\d)\s*")
"""The number of an item in a list, which claims nothing and is no sentence of its own."""
_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Mark:
    """A citation in the text that the reader gave out: it stands at `start`, and names passages."""

    start: int
    end: int
    numbers: tuple[int, ...]


class CitationReader:
    """Reads an answer piece by piece and gives it out with its citations checked, as `[1][3]`.

    The result does not depend on how the answer is cut into pieces; only an opening bracket and
    the blanks before it are held back until it shows what they are. `drop(text)` tells from the
    text before a mark that nothing needs a citation there.
    """

    def __init__(self, passages: int, *, drop: Callable[[str], bool] = lambda _: False) -> None:
        self._passages = passages
        self._drop = drop
        self._held = ""
        self.text = ""
        """What has been given out."""
        self.marks: list[Mark] = []

    def feed(self, piece: str) -> str:
        """Take in the next piece; give out what is certain."""
        self._held += piece
        return self._release(final=False)

    def finish(self) -> str:
        """Give out what was held back."""
        return self._release(final=True)

    @property
    def cited(self) -> list[int]:
        """Numbers of the passages cited, in order of first mention."""
        return list(dict.fromkeys(n for mark in self.marks for n in mark.numbers))

    def _release(self, *, final: bool) -> str:
        before = len(self.text)
        while self._held:
            opening = _OPENING.search(self._held)
            if opening is None:
                self._give(len(self._held))
                break
            self._give(opening.start())
            if not self._take_mark(final=final):
                break
        return self.text[before:]

    def _take_mark(self, *, final: bool) -> bool:
        """Handle the bracket that the held text begins with; False: more text is needed."""
        mark = _SQUARE.match(self._held) or _ROUND.match(self._held)
        if mark is None:
            unfinished = _UNFINISHED.fullmatch(self._held) or not self._held.strip(" \t")
            if unfinished and len(self._held) <= _LONGEST and not final:
                return False
            blanks = len(self._held) - len(self._held.lstrip(" \t"))
            self._give(max(blanks + 1, 1))
            return True
        is_round = mark[0].lstrip()[0] in "(（"
        if is_round and mark.end() == len(self._held) and not final:
            return False
        following = self._held[mark.end() : mark.end() + 1]
        if self._in_code() or (is_round and not self._ends_sentence(following)) or self._is_text(mark):
            self._give(mark.end())
            return True
        numbers = [n for n in _expanded(mark[1]) if 1 <= n <= self._passages]
        if is_round and not numbers:
            self._give(mark.end())
            return True
        self._held = self._held[mark.end() :]
        if numbers and not self._drop(self.text):
            blank = mark[0][: len(mark[0]) - len(mark[0].lstrip(" \t"))]
            start = len(self.text) + len(blank)
            self.text += blank + "".join(f"[{n}]" for n in numbers)
            self.marks.append(Mark(start, len(self.text), tuple(numbers)))
        return True

    def _give(self, count: int) -> None:
        self.text += self._held[:count]
        self._held = self._held[count:]

    def _ends_sentence(self, following: str) -> bool:
        return not _NEVER_BEFORE.search(self.text) and (not following or following in _SENTENCE_END)

    def _is_text(self, mark: re.Match[str]) -> bool:
        """Whether a bracket is an interval of numbers or an index: counting passages begins at 1."""
        if mark[1].strip() == "0" or _BEFORE_INDEX.search(self.text):
            return True
        pair = _PAIR.fullmatch(mark[0])
        if pair is None:
            return False
        low, high = int(pair[1]), int(pair[2])
        beyond = low < 1 or high > self._passages
        return low < high and (beyond or bool(_BEFORE_INTERVAL.search(self.text)))

    def _in_code(self) -> bool:
        if self.text.count("```") % 2:
            return True
        line = self.text[self.text.rfind("\n") + 1 :]
        return line.replace("```", "").count("`") % 2 == 1


def _expanded(body: str) -> list[int]:
    """The numbers of "1, 3-5" in order, each once; an endless range is its ends."""
    found: list[int] = []
    for match in _NUMBER_OR_RANGE.finditer(body):
        first, last = int(match[1]), int(match[2] or match[1])
        found += range(first, last + 1) if first <= last < first + 50 else [first, last]
    return list(dict.fromkeys(found))


def cited_numbers(answer: str, passages: int) -> list[int]:
    """Numbers of the passages cited, in order of first mention, without those that do not exist."""
    reader = CitationReader(passages)
    reader.feed(answer)
    reader.finish()
    return reader.cited


def cited_sentences(answer: str, marks: Sequence[Mark]) -> list[tuple[int, int, tuple[int, ...]]]:
    """Spans of the answer's sentences with the passages that each cites.

    Marks behind the end of a sentence, as in "五天。[1]", belong to it.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _with_their_numbers(answer, split_sentences(answer)):
        leading = _MARKS.match(answer, start, end)
        alone = leading is not None and leading.end() == end
        if leading and spans and (alone or "\n" not in answer[spans[-1][1] : start]):
            spans[-1] = (spans[-1][0], leading.end())
            start = leading.end()
            while start < end and answer[start] in " \t。.":
                start += 1
        if start < end:
            spans.append((start, end))
    found = []
    for start, end in spans:
        numbers = (n for mark in marks if start <= mark.start < end for n in mark.numbers)
        found.append((start, end, tuple(dict.fromkeys(numbers))))
    return found


def _with_their_numbers(answer: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, each "1." joined with the sentence that it numbers."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for start, end in spans:
        numbering = _NUMBERING.fullmatch(answer, start, end) is not None
        begin = start if begin is None else begin
        if numbering and end != spans[-1][1]:
            continue
        found.append((begin, end))
        begin = None
    return found


def claimed(sentence: str) -> str:
    """What a sentence of an answer claims: its words without `[n]` and the number of a list's item."""
    text = without_marks(sentence)
    numbering = _NUMBERING.match(text)
    return text[numbering.end() :] if numbering else text


def without_marks(text: str) -> str:
    """The text without its `[n]`."""
    return _MARK.sub("", text).strip()


def claim_of(answer: str, number: int) -> str:
    """The sentences of the answer that cite passage `number`, without their marks."""
    reader = CitationReader(number)
    reader.feed(answer)
    reader.finish()
    claims = [
        reader.text[start:end]
        for start, end, numbers in cited_sentences(reader.text, reader.marks)
        if number in numbers
    ]
    return without_marks(" ".join(claims or [reader.text]))


def supporting_span(claim: str, hit: Hit) -> tuple[int, int]:
    """The sentence of the passage that shares most with the claim, as a span of `hit.text`."""
    wanted = _bigrams(claim)
    spans: Sequence[tuple[int, int]] = split_sentences(hit.text) or [(0, len(hit.text))]
    return max(spans, key=lambda span: len(wanted & _bigrams(hit.text[slice(*span)])))


def _bigrams(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {(word,) for word in words if len(word) > 1} | set(pairwise(words))
