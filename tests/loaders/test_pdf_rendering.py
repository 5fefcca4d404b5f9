from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pytest

from loaders.pdf_rendering import PageRenderer
from loaders.pdf_text import PageContent, read_content
from tests.loaders.pdf_files import HEIGHT, WIDTH, lines_at, picture_at, together, write_pdf


@pytest.fixture
def document(tmp_path: Path) -> Iterator[Any]:
    path = write_pdf(
        tmp_path / "a.pdf",
        together(
            picture_at(72, 200, 300, 200), lines_at(80, 250, ["图中文字"]), picture_at(40.5, 500.3, 515.2, 99)
        ),
    )
    opened = pdfium.PdfDocument(path)
    yield opened
    opened.close()


@pytest.fixture
def content(document: Any) -> PageContent:
    return read_content(document[0])


@pytest.mark.parametrize("most_pixels", [20_000_000, 400_000])
def test_pictures_look_as_they_do_on_the_whole_page(
    document: Any, content: PageContent, most_pixels: int
) -> None:
    renderer = PageRenderer(document, most_pixels=most_pixels)
    page = renderer.page(1, content)
    scale = page.shape[1] / WIDTH
    first, second = renderer.pictures(1, content, content.pictures)
    x0, y0 = int(72 / WIDTH * page.shape[1]), int(200 / HEIGHT * page.shape[0])
    np.testing.assert_array_equal(first, page[y0 : y0 + first.shape[0], x0 : x0 + first.shape[1]])
    assert first.shape[:2] == pytest.approx((200 * scale, 300 * scale), abs=2)
    assert first.std() > 0
    x0, y0 = int(40.5 / WIDTH * page.shape[1]), int(500.3 / HEIGHT * page.shape[0])
    np.testing.assert_array_equal(second, page[y0 : y0 + second.shape[0], x0 : x0 + second.shape[1]])
    (alone,) = renderer.pictures(1, content, content.pictures[1:])
    np.testing.assert_array_equal(alone, second)


def test_a_page_is_drawn_at_200_dpi_unless_that_is_too_many_pixels(
    document: Any, content: PageContent
) -> None:
    assert PageRenderer(document, most_pixels=20_000_000).page(1, content).shape == (2339, 1653, 3)
    height, width, _ = PageRenderer(document, most_pixels=400_000).page(1, content).shape
    assert 390_000 < width * height <= 402_000
