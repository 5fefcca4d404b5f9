"""Building HTML in which whatever came from a document, a model or a user stays text.

Nothing here takes HTML from outside: every value goes through `escape`, and the Markdown of a
language model through a renderer without raw HTML, links and images.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_DOUBT = "\ue000"
"""A character that no text has any use for."""
_PIECES = " … "
"""Joins the parts of a quote that is not one run of the passage."""
_CELLS = " | "
"""Stands between the cells of a row in the text of a document."""
_MARK = re.compile(r"[\[【［]\s*(\d{1,3}(?:\s*[,，、;；]\s*\d{1,3})*)\s*[\]】］]")
_NUMBER = re.compile(r"\d+")


def button(label: str, action: str, *, confirm: str = "", kind: str = "", **data: str) -> str:
    """A button that sends `action` with `data` to the handler of the component it stands in.

    With `confirm`, the browser asks that first.
    """
    attributes = {"data-action": action, **{f"data-{key}": value for key, value in data.items()}}
    if confirm:
        attributes["data-confirm"] = confirm
    pairs = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f'<button type="button" class="zw-button {kind}"{pairs}>{escape(label)}</button>'


def quote_spans(passage: str, quote: str) -> list[tuple[int, int]]:
    """Where the quoted parts stand in the passage; a part that does not stand in it is left out."""
    spans = []
    position = 0
    for piece in (part.strip() for part in quote.split(_PIECES)):
        start = passage.find(piece, position) if piece else -1
        if start >= 0:
            position = start + len(piece)
            spans.append((start, position))
    return spans


def holds(passage: str, quote: str) -> bool:
    """Whether all of the quoted parts stand in the passage, in their order."""
    parts = [part for part in quote.split(_PIECES) if part.strip()]
    return bool(parts) and len(quote_spans(passage, quote)) == len(parts)


def highlighted(passage: str, quote: str) -> str:
    """The passage with the quoted parts marked."""
    parts = []
    last = 0
    for start, end in quote_spans(passage, quote):
        parts += [escape(passage[last:start]), f"<mark>{escape(passage[start:end])}</mark>"]
        last = end
    return "".join([*parts, escape(passage[last:])])


def with_doubts(answer: str, ends: Iterable[int]) -> str:
    """The answer with a sign, for `markdown_answer`, behind the sentences that end at `ends`."""
    parts = []
    last = 0
    clean = answer.replace(_DOUBT, " ")
    for end in sorted(ends):
        place = last + len(clean[last:end].rstrip())
        parts += [clean[last:place], _DOUBT]
        last = place
    return "".join([*parts, clean[last:]])


def plain_answer(answer: str, reference: Callable[[int], str]) -> str:
    """Text as it is, in paragraphs, and rows of cells as tables, with its `[n]` turned into references."""
    paragraphs = (part.strip() for part in answer.split("\n\n") if part.strip())
    return "".join(_block(list(lines), reference) for part in paragraphs for lines in _alike(part))


def _alike(paragraph: str) -> Iterator[Iterator[str]]:
    """Lines that follow each other and have as many cells."""
    return (lines for _, lines in groupby(paragraph.split("\n"), key=lambda line: line.count(_CELLS)))


def _block(lines: Sequence[str], reference: Callable[[int], str]) -> str:
    if len(lines) < 2 or _CELLS not in lines[0]:
        return f"<p>{_with_references(chr(10).join(lines), reference)}</p>"
    rows = [[_with_references(cell.strip(), reference) for cell in line.split(_CELLS)] for line in lines]
    head = "".join(f'<th scope="col">{cell}</th>' for cell in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def markdown_answer(answer: str, reference: Callable[[int], str], *, doubt: str = "") -> str:
    """A language model's Markdown, with its `[n]` turned into references.

    `doubt` is the HTML that stands for each sign of `with_doubts`.
    """
    rendered: str = _markdown().render(answer, {"reference": reference})
    return rendered.replace(_DOUBT, doubt)


def _with_references(text: str, reference: Callable[[int], str]) -> str:
    parts = []
    last = 0
    for mark in _MARK.finditer(text):
        parts.append(escape(text[last : mark.start()]))
        parts += [reference(int(number)) for number in _NUMBER.findall(mark[1])]
        last = mark.end()
    return "".join([*parts, escape(text[last:])])


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")
    parser.disable(["image", "link", "autolink", "reference", "html_block", "html_inline"])

    def text(_renderer: object, tokens: Sequence[Any], index: int, _options: object, env: Any) -> str:
        return _with_references(tokens[index].content, env["reference"])

    def fence(_renderer: object, tokens: Sequence[Any], index: int, _options: object, _env: Any) -> str:
        # The library would put the fence's info string into an attribute.
        return f"<pre><code>{escape(tokens[index].content)}</code></pre>\n"

    parser.add_render_rule("text", text)
    parser.add_render_rule("fence", fence)
    return parser
