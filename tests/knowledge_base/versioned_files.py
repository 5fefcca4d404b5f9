"""Files whose words tell of which version they are."""

from __future__ import annotations

import hashlib
import tempfile
import time
from functools import cache
from pathlib import Path

from tests.knowledge_base.doubles import sections
from tests.loaders.pdf_files import lines_at, write_pdf

SCAN = "扫描.pdf"
Place = tuple[str, str]
"""A knowledge base and a file's name."""


def tokens(place: Place, version: int) -> list[str]:
    """Words that only this version of a file holds, one for each of its sections or pages."""
    count = 2 + version % 4
    if place[1].endswith(".pdf"):
        count = 3 + version % (9 if place[1] == "e.pdf" else 90)
    seeds = [f"{place}/{version}/{number}".encode() for number in range(count)]
    return ["q" + hashlib.blake2b(seed, digest_size=6).hexdigest() for seed in seeds]


@cache
def content(place: Place, version: int) -> bytes:
    """The file's bytes in this version."""
    if place[1] == SCAN:
        return scan(version)
    lines = [
        f"第{number}条 编号 {word} 的设备应于每季度检查。"
        for number, word in enumerate(tokens(place, version), 1)
    ]
    if not place[1].endswith(".pdf"):
        return sections(*lines).encode()
    with tempfile.TemporaryDirectory() as folder:
        pages = (lines_at(72, 100, [line, "检查的结果由值班人员记入台账。"]) for line in lines)
        return write_pdf(Path(folder) / "f.pdf", *pages).read_bytes()


def scan(version: int) -> bytes:
    """Pictures of a few pages, as a PDF without a text layer."""
    from io import BytesIO

    from PIL import Image, ImageDraw, ImageFont

    pages = []
    for number in range(1, 5):
        page = Image.new("RGB", (900, 600), "white")
        draw = ImageDraw.Draw(page)
        for line in range(6):
            text = f"Inspection {version}-{number}-{line}: the pump was checked"
            draw.text((60, 60 + 70 * line), text, fill="black", font=ImageFont.load_default(28))
        pages.append(page)
    out = BytesIO()
    made = time.gmtime(0)  # else each time of making gives other bytes
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:], creationDate=made, modDate=made)
    return out.getvalue()
