"""Follow-up questions through the whole pipeline: they find what the full questions find."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.answering.types import Turn
from app.service import Service
from tests.app.conftest import KB, SAMPLES, MakeService
from tests.conftest import SHARED_DATA

pytestmark = [pytest.mark.model, pytest.mark.slow]

DATA = Path(__file__).parents[1] / "data"
CMRC = SHARED_DATA / "qa" / "cmrc2018_trial.json"
BAR = 0.85
"""Share of the follow-ups that find the same document first."""


def _with(service: Service, documents: Mapping[str, bytes]) -> Service:
    service.create_knowledge_base(KB)
    files = [service.store(name, [content], check=False) for name, content in documents.items()]
    assert {result.state for result in service.ingest(KB, files)} == {"ready"}
    return service


@pytest.fixture
def samples(make_service: MakeService) -> Service:
    """All samples that need no recognition of pictures."""
    paths = [path for path in SAMPLES.iterdir() if path.suffix in {".md", ".csv", ".docx", ".txt"}]
    return _with(make_service(), {path.name: path.read_bytes() for path in paths})


def _share_found(service: Service, pairs: Sequence[Mapping[str, Any]]) -> float:
    same = []
    for pair in pairs:
        history = [Turn(**turn) for turn in pair["history"]]
        searched = service.ask(pair["question"], [KB], history=history).question
        first, full = (
            service.search(question, [KB], top_k=1, threshold=0.0)[0].document
            for question in (searched, pair["standalone"])
        )
        same.append(first == full)
    return sum(same) / len(same)


def test_sixty_follow_ups_over_the_samples(samples: Service) -> None:
    pairs = json.loads((DATA / "followups.json").read_text(encoding="utf-8"))
    names = {document.name for document in samples.documents(KB)}
    pairs = [pair for pair in pairs if pair["document"] in names]
    assert len(pairs) >= 50
    assert _share_found(samples, pairs) >= BAR


def test_twenty_follow_ups_over_other_documents(make_service: MakeService) -> None:
    if not CMRC.exists():
        pytest.skip("the question sets are not beside the checkout")
    articles = json.loads(CMRC.read_text(encoding="utf-8"))["data"]
    pairs = json.loads((DATA / "followups_cmrc.json").read_text(encoding="utf-8"))
    wanted = {pair["title"] for pair in pairs}
    # Every topic of the pairs, among as many others.
    others = [article for article in articles if article["title"] not in wanted][:20]
    chosen = [article for article in articles if article["title"] in wanted] + others
    documents = {f"{a['title']}.txt": a["paragraphs"][0]["context"].encode() for a in chosen}
    assert _share_found(_with(make_service(), documents), pairs) >= BAR


@pytest.mark.parametrize(
    ("before", "question"),
    [
        ("年休假怎么申请？", "那火星呢？"),
        ("年假有几天？", "那企鹅吃什么呢？"),
        ("SG-200网关的默认地址是什么？", "SG-300呢？"),
    ],
)
def test_a_follow_up_about_something_else_is_refused(service: Service, before: str, question: str) -> None:
    answer = service.ask(question, [KB], history=[Turn(before, "")])
    assert (answer.refused, answer.citations) == (True, ())
