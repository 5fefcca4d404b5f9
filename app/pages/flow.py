"""A document's chunks as running text: what they share is shown once, the quoted sentences marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from loaders.document import Chunk

Spans = Sequence[tuple[int, int]]

_CELLS = " | "


@dataclass(frozen=True, slots=True)
class Piece:
    """What a chunk adds to the text before it; `start` is the place of `text` in the chunk."""

    chunk_id: int
    chunk: Chunk
    start: int
    text: str


def pieces(chunks: Sequence[tuple[int, Chunk]]) -> list[Piece]:
    """The chunks in order, each without what the one before has said already."""
    found = []
    end = 0
    for chunk_id, chunk in chunks:
        shared = end - chunk.start
        # An edited text has another length than its place in the document.
        as_read = chunk.end - chunk.start == len(chunk.text)
        start = shared if as_read and 0 < shared < len(chunk.text) else 0
        found.append(Piece(chunk_id, chunk, start, chunk.text[start:]))
        end = chunk.end
    return found


def piece_html(piece: Piece, marks: Spans, *, header: bool) -> str:
    """A piece by its kind. `marks` are places in the document; `header`: the table's header comes first."""
    chunk = piece.chunk
    lines = []
    place = chunk.start + piece.start
    for line in piece.text.split("\n"):
        lines.append((line, place))
        place += len(line) + 1
    if chunk.kind == "code":
        body = "\n".join(marked(line, at, marks) for line, at in lines)
        return f"<pre><code>{body}</code></pre>"
    parts = [f"<h4>{escape(chunk.question)}</h4>"] if chunk.question and piece.start == 0 else []
    rows: list[str] = []
    if chunk.kind == "table" and header and chunk.header:
        cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in chunk.header.split(_CELLS))
        rows.append(f"<tr>{cells}</tr>")
    for line, at in lines:
        if line.strip() in chunk.heading_path:
            level = min(2 + chunk.heading_path.index(line.strip()), 6)
            parts.append(f"<h{level}>{marked(line, at, marks)}</h{level}>")
        elif chunk.kind == "table" and _CELLS in line:
            rows.append(_row(line, at, marks))
        elif line.strip():
            parts.append(f"<p>{marked(line, at, marks)}</p>")
    if rows:
        parts.append(f"<table><tbody>{''.join(rows)}</tbody></table>")
    return "".join(parts)


def marked(text: str, place: int, marks: Spans) -> str:
    """The text that stands at `place`, escaped, with what lies within `marks` marked."""
    parts = []
    last = 0
    for start, end in sorted(marks):
        low, high = max(start - place, last), min(end - place, len(text))
        if low < high:
            parts += [escape(text[last:low]), f"<mark>{escape(text[low:high])}</mark>"]
            last = high
    return "".join([*parts, escape(text[last:])])


def _row(line: str, place: int, marks: Spans) -> str:
    cells = []
    for cell in line.split(_CELLS):
        cells.append(f"<td>{marked(cell, place, marks)}</td>")
        place += len(cell) + len(_CELLS)
    return f"<tr>{''.join(cells)}</tr>"
