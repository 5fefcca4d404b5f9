"""Sixty scanned pages with their text and questions: half of them clean, half worn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.scans import layouts
from benchmarks.scans.faces import FACES, Face
from benchmarks.scans.office_texts import FORMS, PROSE, TABLES, ProsePage
from benchmarks.scans.sheet import Sheet
from benchmarks.scans.wear import Wear, stamp

KINDS = (
    "prose", "columns", "ruled table", "prose", "form", "vertical", "columns", "stamp", "table", "turned",
    "prose", "plain form", "stamp", "columns", "turned",
)  # fmt: skip
"""Fifteen pages; the set goes twice through them clean, and twice worn."""
_SIZES = (9.0, 10.5, 12.0, 14.0, 10.0, 11.0)
_DPI = (150, 200, 300)
_TURNS = (90, 180, 270)
_MOST_CHARACTERS = 900


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """A picture of a page with what stands on it in reading order."""

    number: int
    kind: str
    worn: bool
    image: Image.Image
    dpi: int
    text: str
    questions: tuple[str, ...]
    detail: str


def read_passages(path: Path) -> list[ProsePage]:
    """Passages of a question set in SQuAD format, one to a page."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [
        ProsePage("", tuple(item["context"].split("\n")), tuple(qa["question"] for qa in item["qas"]))
        for article in articles
        for item in article["paragraphs"]
    ]


def scanned_pages(passages: Sequence[ProsePage], *, seed: int = 20261121) -> Iterator[ScannedPage]:
    """The pages in order, always the same for the same passages and seed."""
    random = np.random.default_rng(seed)
    prose = cycle([*PROSE, *passages])
    tables, forms = cycle(TABLES), cycle(FORMS)
    used: set[str] = set()

    def fitting(face: Face) -> ProsePage:
        while True:
            page = next(prose)
            text = "".join(page.paragraphs)
            if text not in used and len(text) <= _MOST_CHARACTERS and face.covers(page.title + text):
                used.add(text)
                return page

    for number in range(4 * len(KINDS)):
        worn = number >= 2 * len(KINDS)
        kind = KINDS[number % len(KINDS)]
        face = FACES[int(random.integers(len(FACES)))]
        size, dpi = _SIZES[int(random.integers(len(_SIZES)))], _DPI[number % len(_DPI)]
        sheet = Sheet(face, size=size, dpi=dpi)
        if kind in ("ruled table", "table"):
            chosen = next(tables)
            layouts.table(sheet, chosen, ruled=kind == "ruled table")
            questions = chosen.questions
        elif kind in ("form", "plain form"):
            filled = next(forms)
            layouts.form(sheet, filled, ruled=kind == "form")
            questions = filled.questions
        else:
            page = fitting(face)
            questions = page.questions
            if kind == "columns":
                layouts.columns(sheet, page.title, page.paragraphs)
            elif kind == "vertical":
                layouts.vertical(sheet, page.paragraphs)
            else:
                layouts.prose(sheet, page.title, page.paragraphs)
        if kind == "stamp":
            stamp(sheet.image, face, dpi, (float(random.uniform(0.5, 0.75)), float(random.uniform(0.2, 0.3))))
        wear = _wear(kind, random, worn=worn)
        yield ScannedPage(
            number + 1,
            kind,
            worn,
            wear.apply(sheet.image, dpi, random),
            dpi,
            "".join(sheet.texts),
            questions,
            f"{face.name} {size:g} pt {dpi} dpi skew {wear.skew:.1f} turn {wear.turn}",
        )


def _wear(kind: str, random: np.random.Generator, *, worn: bool) -> Wear:
    turn = _TURNS[int(random.integers(len(_TURNS)))] if kind == "turned" else 0
    if not worn:
        return Wear(turn=turn)
    return Wear(
        turn=turn,
        skew=float(random.uniform(-3, 3)),
        blur=float(random.uniform(0.15, 0.4)),
        noise=float(random.uniform(4, 16)),
        shade=float(random.uniform(0, 0.3)),
        specks=int(random.integers(0, 200)),
        quality=int(random.integers(30, 65)),
    )
