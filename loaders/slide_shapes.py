"""The text of what stands on a slide: text frames, tables, charts, diagrams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loaders.cleaning import clean_line
from loaders.document import Block, Box, Line
from loaders.number_format import displayed
from loaders.tabular import Spanned, table_blocks

_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def text_blocks(
    text_frame: Any, box: Box | None, *, items: bool = False, whole: bool = False
) -> tuple[Block, ...]:
    """The text of a frame as one block: a list for `items`, one line for `whole`."""
    lines = []
    for paragraph in text_frame.paragraphs:
        parts = [line for line in map(clean_line, paragraph.text.split("\v")) if line]
        if parts:
            lines.append((paragraph.level, " ".join(parts) if whole or items else "\n".join(parts)))
    if not lines:
        return ()
    if items and len(lines) > 1:
        text = "\n".join(f"{'  ' * level}- {line}" for level, line in lines)
    else:
        text = (" " if whole else "\n").join(line for _, line in lines)
    place = (Line(0, len(text), box),) if box else ()
    return (Block(text, "list" if items and len(lines) > 1 else "paragraph", lines=place),)


def table_rows(table: Any) -> Iterator[list[str]]:
    """The cells of a table; a merged cell's text stands in all it covers."""
    texts: dict[tuple[int, int], str] = {}
    for top, row in enumerate(table.rows):
        cells = []
        for left, cell in enumerate(row.cells):
            text = texts.get((top, left))
            if text is None:
                text = clean_line(cell.text_frame.text.replace("\v", " "))
            if cell.is_merge_origin:
                for down in range(min(cell.span_height, 1000)):
                    for across in range(min(cell.span_width, 1000)):
                        texts[top + down, left + across] = Spanned(text) if across else text
            cells.append(text)
        # A blank row of a slide's table parts nothing.
        if any(cells):
            yield cells


def chart_blocks(chart: Any) -> Iterator[Block]:
    """A chart's title and the numbers it shows, a row for each category."""
    if chart.has_title and chart.chart_title.has_text_frame:
        yield from text_blocks(chart.chart_title.text_frame, None)
    for plot in chart.plots:
        series = list(plot.series)
        categories = [str(category) for category in plot.categories]
        header = ["", *(clean_line(item.name or "") or str(n) for n, item in enumerate(series, 1))]
        columns = [[displayed(value) for value in item.values] for item in series]
        count = max([len(categories), *map(len, columns)], default=0)
        rows = [
            [categories[index] if index < len(categories) else str(index + 1)]
            + [column[index] if index < len(column) else "" for column in columns]
            for index in range(count)
        ]
        yield from table_blocks([header, *rows])


def diagram_texts(shape: Any) -> list[str]:
    """The texts of a SmartArt diagram, a line for each of its points."""
    from lxml import etree

    relations = shape._element.xpath(".//*[local-name()='relIds']")
    if not relations:
        return []
    part = shape.part.related_part(relations[0].get(f"{{{_RELATIONS}}}dm"))
    tree = etree.fromstring(part.blob, etree.XMLParser(resolve_entities=False, no_network=True))
    texts = []
    for point in tree.iter(f"{{{_DIAGRAM}}}pt"):
        text = clean_line("".join(node.text or "" for node in point.iter(f"{{{_DRAWING}}}t")))
        if text:
            texts.append(text)
    return texts
