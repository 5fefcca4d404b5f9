"""Gradio without the interface files of its components."""

from __future__ import annotations

import inspect

import gradio
import gradio.component_meta
import pytest

from app.pages.gradio_import import without_interface_files


def test_no_interface_is_made_within(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*_: object) -> str:
        raise AssertionError("an interface was made")

    monkeypatch.setattr(gradio.component_meta, "create_pyi", make)
    with without_interface_files():
        gradio.component_meta.create_or_modify_pyi(gradio.Slider, "Slider", [])
    with pytest.raises(AssertionError, match="an interface was made"):
        gradio.component_meta.create_or_modify_pyi(gradio.Slider, "Slider", [])


def test_other_classes_keep_their_files() -> None:
    with without_interface_files():
        assert inspect.getfile(pytest.MonkeyPatch) == inspect.getsourcefile(pytest.MonkeyPatch)
        with pytest.raises(OSError, match="not wanted"):
            inspect.getfile(gradio.Slider)
    assert inspect.getfile(gradio.Slider).endswith("slider.py")
