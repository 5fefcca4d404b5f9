"""The structure of a Markdown source, as the renderers need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from markdown_it import MarkdownIt

COMPANY = "云杉示例科技有限公司"


@dataclass(frozen=True, slots=True)
class Part:
    """A heading, paragraph, list item or table of a source, or the end of a page."""

    kind: Literal["heading", "paragraph", "item", "table", "page_end"]
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


def read_parts(path: Path) -> Iterator[Part]:
    """Read a Markdown source; a thematic break ends the page."""
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    kind: Literal["heading", "paragraph", "item"] = "paragraph"
    level = 0
    marker = ""
    rows: list[list[str]] | None = None
    for token in tokens:
        if token.type == "heading_open":
            kind, level = "heading", int(token.tag[1])
        elif token.type == "list_item_open":
            kind, marker = "item", f"{token.info}. " if token.info else "● "
        elif token.type in {"heading_close", "list_item_close"}:
            kind, level, marker = "paragraph", 0, ""
        elif token.type == "table_open":
            rows = []
        elif token.type == "tr_open" and rows is not None:
            rows.append([])
        elif token.type == "table_close" and rows is not None:
            yield Part("table", rows=tuple(map(tuple, rows)))
            rows = None
        elif token.type == "hr":
            yield Part("page_end")
        elif token.type == "inline" and rows is not None:
            rows[-1].append(token.content)
        elif token.type == "inline":
            yield Part(kind, marker + token.content, level)
