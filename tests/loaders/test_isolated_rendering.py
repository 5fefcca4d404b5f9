"""Pages drawn in a process of their own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from loaders.errors import DamagedFileError, PageNotDrawnError, PageNotFoundError
from loaders.isolated_rendering import IsolatedRenderer
from loaders.rendering import render_page
from tests.loaders.pdf_files import lines_at, write_pdf

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def renderer() -> Iterator[IsolatedRenderer]:
    made = IsolatedRenderer(memory_bytes=400 * 1024**2, seconds=120)
    yield made
    made.close()


def endless_page(path: Path) -> Path:
    """A small PDF whose only page is shaded by a function of so many steps that it takes a minute."""
    steps = b"{ " + b"dup sin mul " * 1000 + b"dup }"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Shading<</S 5 0 R>>>>>>",
        b"<</Length 27>>stream\nq 595 0 0 842 0 0 cm /S sh Q\nendstream",
        b"<</ShadingType 1/ColorSpace/DeviceRGB/Function 6 0 R>>",
        b"<</FunctionType 4/Domain[0 1 0 1]/Range[0 1 0 1 0 1]/Length %d>>stream\n%s\nendstream"
        % (len(steps), steps),
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (n, data) for n, data in enumerate(objects, 1))
    path.write_bytes(b"%PDF-1.4\n" + body + b"trailer<</Size 7/Root 1 0 R>>\n%%EOF")
    return path


def test_draws_as_without_isolation(renderer: IsolatedRenderer, tmp_path: Path) -> None:
    pdf = write_pdf(tmp_path / "a.pdf", lines_at(72, 100, ["一"]), lines_at(72, 100, ["二"]))
    assert renderer.render_page(pdf, "pdf", 2, width=600) == render_page(pdf, "pdf", 2, width=600)
    with pytest.raises(PageNotFoundError) as caught:
        renderer.render_page(pdf, "pdf", 3, width=600)
    assert caught.value.details == {"page": 3, "pages": 2}
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 broken")
    with pytest.raises(DamagedFileError):
        renderer.render_page(tmp_path / "b.pdf", "pdf", 1, width=600)


def test_a_page_that_takes_too_much_memory(renderer: IsolatedRenderer, tmp_path: Path) -> None:
    large = tmp_path / "large.tif"
    Image.new("1", (20_000, 20_000), 1).save(large, compression="group4")
    with pytest.raises(PageNotDrawnError) as caught:
        renderer.render_page(large, "image", 1, width=600)
    assert caught.value.details == {"page": 1}
    small = tmp_path / "small.png"
    Image.new("1", (20, 30), 1).save(small)
    assert Image.open(io.BytesIO(renderer.render_page(small, "image", 1, width=60))).size == (60, 90)


def test_a_page_that_takes_too_long(tmp_path: Path) -> None:
    quick = IsolatedRenderer(seconds=0.2)
    try:
        with pytest.raises(PageNotDrawnError):
            quick.render_page(endless_page(tmp_path / "a.pdf"), "pdf", 1, width=1000)
    finally:
        quick.close()
