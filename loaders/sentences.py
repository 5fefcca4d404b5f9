"""Sentence boundaries in Chinese and Western text."""

from __future__ import annotations

import re

_CLOSERS = "”’」』）】》〉〗］｝)]}»"
_CHINESE_END = "。！？；…｡"
_CANDIDATE = re.compile(rf"[{_CHINESE_END}]+|\n|[.!?]+")
_WORD_BEFORE = re.compile(r"([A-Za-z][A-Za-z.]*|\d+)$")
_ABBREVIATION = re.compile(
    r"(mr|mrs|ms|dr|prof|sr|jr|st|no|vs|etc|e\.g|i\.e|eg|ie|cf|al|figs?|eqs?|sec|ch|vol|pp|eds?|inc|ltd|co|corp|dept"
    r"|est|approx|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|u\.s|u\.k|a\.m|p\.m|ph\.d)"
)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of `text`, in order, without the white space around them.

    They end after 。！？；… and line ends, and after . ! ? where a sentence may end: not inside
    numbers, addresses and abbreviations. Closing quotes and brackets stay with their sentence.
    Every character but white space lies in exactly one span.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _CANDIDATE.finditer(text):
        if match.start() < start:
            continue  # taken by the closing quotes of the sentence before
        end = match.end()
        mark = match.group()
        if mark != "\n":
            closed = _close(text, start, end)
            if mark[0] in ".!?" and not _western_end(text, start, match.start(), end, closed):
                continue
            end = closed
        _append(spans, text, start, end)
        start = end
    _append(spans, text, start, len(text))
    return spans


def _append(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))


def _close(text: str, start: int, end: int) -> int:
    """Move the end past closing quotes and brackets, and past further end marks behind them."""
    while end < len(text):
        mark = text[end]
        straight = mark in "\"'" and (_at_gap(text, end + 1) or _is_odd(text, mark, start, end))
        if straight or mark in _CLOSERS or mark in _CHINESE_END:
            end += 1
        else:
            break
    return end


def _is_odd(text: str, mark: str, start: int, end: int) -> bool:
    """Whether a straight quote is open at `end`, so that the next one closes it."""
    return text.count(mark, max(start, end - 2000), end) % 2 == 1


def _at_gap(text: str, position: int) -> bool:
    return position >= len(text) or text[position].isspace()


def _is_wide(mark: str) -> bool:
    return mark > "\u2e7f" or mark in "“‘"


def _western_end(text: str, start: int, mark: int, end: int, closed: int) -> bool:
    """Whether the marks at `text[mark:end]`, followed by closers up to `closed`, end a sentence."""
    if closed < len(text) and not text[closed].isspace() and not _is_wide(text[closed]):
        return False  # 3.14, example.com, a.py, f(x)!=0
    if text[mark:end] != ".":
        return True
    word = _WORD_BEFORE.search(text, max(start, mark - 24), mark)
    if word is None:
        return True
    found = word.group()
    if found.isdigit():
        # "3. Third point" and "1.第一条" number what follows; "in 2020. Then" ends.
        return word.start() > start and bool(text[start : word.start()].strip()) and _at_gap(text, closed)
    if _ABBREVIATION.fullmatch(found.lower()) or (len(found) == 1 and found.isupper()):
        return closed >= len(text) or text[closed] == "\n"
    return not (closed < len(text) and _is_wide(text[closed]) and "." in found)
