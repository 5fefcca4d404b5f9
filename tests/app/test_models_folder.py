"""Models made ahead of the first start, in a folder of their own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from app.composition import build_service, prepare_models
from app.settings import load_settings


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what paddlex imports
@pytest.mark.slow
def test_nothing_is_made_again_once_the_models_are_prepared(model_folder: Path, tmp_path: Path) -> None:
    prepare_models(load_settings({"data_dir": tmp_path / "data", "models_dir": model_folder}))
    models = tmp_path / "models"  # other tests may be using the first
    shutil.copytree(model_folder, models, copy_function=os.link)
    settings = load_settings({"data_dir": tmp_path / "data", "models_dir": models})
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*") if path.is_file()}
    assert any("ocr" in path.parts for path in before)
    assert any("multilingual-e5-small-answerability" in path.parts for path in before)

    service = build_service(settings)
    try:
        service.warm_up()
        service.ensure_knowledge_base("kb")
        service.ingest("kb", [service.store("a.txt", ["年假为十天。".encode()])])
        assert service.ask("年假几天？", ["kb"]).citations[0].document == "a.txt"
    finally:
        service.close()

    assert {path: path.stat().st_mtime_ns for path in models.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "data" / "models").exists()
