from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loaders.base import LoadOptions
from loaders.registry import parse_file
from tests.loaders.pdf_files import HEIGHT, lines_at, picture_at, together, write_pdf

SEEN = "页面上看得见的一行文字，说的是验收的期限。"
HIDDEN = "看不见的一行文字，说的是别的事情。"


def drawn(text: str, *, top: float = 300, **state: float) -> Callable[[Any], None]:
    def draw(canvas: Any) -> None:
        words = canvas.beginText(72, HEIGHT - top)
        words.setFont("STSong-Light", state.get("size", 12))
        words.setFillGray(state.get("grey", 0.0))
        words.setTextRenderMode(int(state.get("mode", 0)))
        words.textLine(text)
        words.setTextRenderMode(0)
        words.setFillGray(0.0)
        canvas.drawText(words)

    return draw


def text_of(folder: Path, *draws: Callable[[Any], None]) -> str:
    path = write_pdf(folder / "a.pdf", together(*draws))
    return parse_file(path, name="a.pdf", options=LoadOptions()).text


@pytest.mark.parametrize("state", [{"grey": 1.0}, {"mode": 3}, {"size": 0.01}])
def test_text_that_nobody_sees_is_left_out(state: dict[str, float], tmp_path: Path) -> None:
    assert text_of(tmp_path, lines_at(72, 100, [SEEN]), drawn(HIDDEN, **state)) == SEEN


def test_white_text_on_colour_is_kept(tmp_path: Path) -> None:
    def band(canvas: Any) -> None:
        canvas.setFillGray(0.2)
        canvas.rect(60, HEIGHT - 320, 400, 40, stroke=0, fill=1)

    assert (
        text_of(tmp_path, lines_at(72, 100, [SEEN]), band, drawn("白色的标题", grey=1.0))
        == f"{SEEN}\n白色的标题"
    )


def test_the_text_layer_behind_a_scan_is_kept(tmp_path: Path) -> None:
    layer = (
        SEEN
        + "这一页有五十个字以上的文字层，由识别程序放在图像的下面，因此不必再识别一次，直接使用这一层文字。"
    )
    assert text_of(tmp_path, picture_at(0, 0, 595, 842), drawn(layer, mode=3)) == layer
