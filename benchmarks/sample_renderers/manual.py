"""The product manual: a PDF with a text layer, bookmarks, tables and running lines."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from benchmarks.sample_renderers.parts import COMPANY, read_parts


def make_manual(source: Path) -> bytes:
    """Render the product manual: cover, contents, chapters, bookmarks, running header and footer.

    The font is the CID font STSong-Light of Adobe's Chinese language pack, which is not embedded,
    as in many PDF files that Chinese offices pass around.
    """
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table
    from reportlab.platypus.tableofcontents import TableOfContents

    font = "STSong-Light"
    pdfmetrics.registerFont(UnicodeCIDFont(font))
    parts = list(read_parts(source))
    title = parts[0].text
    body = ParagraphStyle("body", fontName=font, fontSize=10.5, leading=18, wordWrap="CJK", spaceAfter=6)
    item = ParagraphStyle("item", parent=body, leftIndent=16, firstLineIndent=-12, spaceAfter=3)
    entry = ParagraphStyle("entry", parent=body, leading=15, spaceAfter=0, spaceBefore=2)
    subentry = ParagraphStyle("subentry", parent=entry, leftIndent=16, spaceBefore=0)
    cell = ParagraphStyle("cell", parent=body, fontSize=9.5, leading=14, spaceAfter=0)
    headings = [
        ParagraphStyle("heading1", parent=body, fontSize=17, leading=28, spaceAfter=10),
        ParagraphStyle("heading2", parent=body, fontSize=13, leading=22, spaceBefore=8, keepWithNext=1),
    ]
    cover = ParagraphStyle("cover", parent=body, fontSize=26, leading=44, spaceBefore=180, spaceAfter=30)

    def running_lines(canvas: Any, document: Any) -> None:
        canvas.setFont(font, 9)
        canvas.drawString(20 * mm, 283 * mm, title)
        canvas.drawRightString(190 * mm, 283 * mm, "V1.6")
        canvas.line(20 * mm, 281 * mm, 190 * mm, 281 * mm)
        canvas.drawString(20 * mm, 12 * mm, COMPANY)
        canvas.drawRightString(190 * mm, 12 * mm, f"第{document.page}页")

    def mark_heading(flowable: Any) -> None:
        style = getattr(getattr(flowable, "style", None), "name", "")
        if style in {"heading1", "heading2"}:
            text, level = flowable.getPlainText(), int(style[-1]) - 1
            key = f"heading-{text}"
            document.canv.bookmarkPage(key)
            document.canv.addOutlineEntry(text, key, level, closed=level == 0)
            document.notify("TOCEntry", (level, text, document.page, key))

    contents = TableOfContents(levelStyles=[entry, subentry], dotsMinLevel=0)
    story: list[Any] = [Paragraph(title, cover)]
    contents_placed = False
    for part in parts[1:]:
        if part.kind == "heading":
            story.append(Paragraph(part.text, headings[part.level - 1]))
        elif part.kind == "table":
            rows = [[Paragraph(text, cell) for text in row] for row in part.rows]
            table = Table(
                rows, colWidths=[(170 * mm - 12) / len(part.rows[0])] * len(part.rows[0]), repeatRows=1
            )
            table.setStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                    ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ]
            )
            story += [table, Spacer(1, 8)]
        elif part.kind == "page_end":
            story.append(PageBreak())
            if not contents_placed:
                story += [Paragraph("目录", ParagraphStyle("contents", parent=headings[0])), contents]
                story.append(PageBreak())
                contents_placed = True
        else:
            story.append(Paragraph(part.text, item if part.kind == "item" else body))

    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=24 * mm,
        bottomMargin=20 * mm,
        title=title,
        author=COMPANY,
        invariant=1,
    )
    document.afterFlowable = mark_heading
    document.multiBuild(story, onLaterPages=running_lines)
    return out.getvalue()
