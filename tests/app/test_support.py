"""Whether a sentence is borne out by its passage: what agrees, what changes a number, what denies."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from app.answering.quantities import chinese_number, quantities
from app.answering.support import SUPPORTED, support
from models.embedder import Embedder

DATA = json.loads((Path(__file__).parents[1] / "data" / "support.json").read_text("utf-8"))
CASES = [(kind, *case) for kind in ("supported", "unsupported") for case in DATA[kind]]


@pytest.mark.parametrize(("kind", "passage", "claim"), CASES)
def test_examples_by_words_alone(kind: str, passage: str, claim: str) -> None:
    value = support(claim, [DATA["passages"][passage]])
    assert value is not None
    assert (value >= SUPPORTED) == (kind == "supported"), value


@pytest.mark.model
@pytest.mark.slow
def test_examples_with_their_meaning(embedder: Embedder) -> None:
    wrong = [
        (kind, claim)
        for kind, passage, claim in CASES
        if ((support(claim, [DATA["passages"][passage]], embed=embedder.encode_documents) or 0) >= SUPPORTED)
        != (kind == "supported")
    ]
    assert wrong == []


def test_another_language_is_judged_by_meaning() -> None:
    def embed(texts: object) -> np.ndarray:
        assert isinstance(texts, list | tuple)
        return np.array([[1.0, 0.0] if "年假" in t or "leave" in t else [0.0, 1.0] for t in texts])

    assert support("Annual leave is generous.", ["年假很多。"], embed=embed) == 1.0
    assert support("Annual leave is generous.", ["病假很多。"], embed=embed) == 0.0


def test_what_claims_nothing() -> None:
    assert support("", ["年假五天。"]) is None
    assert support("……", ["年假五天。"]) is None
    assert support("年假五天。", []) == 0.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("一百二十", 120),
        ("一千零五", 1005),
        ("一千二", 1200),
        ("一万五", 15000),
        ("两亿三千万", 230_000_000),
        ("二〇二四", 2024),
        ("三点五", Fraction(7, 2)),
        ("十", 10),
    ],
)
def test_chinese_numerals(text: str, value: Fraction | int) -> None:
    assert chinese_number(text) == value


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5万元", {50_000}),
        ("1,000 元", {1000}),
        ("百分之五", {5}),
        ("一般统一办理，第一时间", set()),
        ("三天，3天", {3}),
        ("twelve books", {12}),
        ("3.5 m", {Fraction(7, 2)}),
    ],
)
def test_quantities_that_are_meant(text: str, values: set[object]) -> None:
    assert quantities(text, strict=True) == values
