"""What every search index does, asserted against plain references."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectorstore.conftest import DIMENSION, EarlyInverted, Vectors
from vectorstore.base import DenseEngine
from vectorstore.dense import DenseIndex
from vectorstore.errors import IndexInputError
from vectorstore.hybrid import HybridIndex

Make = Callable[[], HybridIndex]

TEXTS = [
    "员工每年享有十天带薪年假",
    "差旅费报销须在十五日内提交",
    "服务器密码每九十天更换一次",
    "VPN 2.0 supports iPhone 15",
    "夏季用電安全須知",
]

ENGINES: dict[str, DenseEngine] = {"exact": DenseIndex, "inverted": EarlyInverted}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> DenseEngine:
    return ENGINES[request.param]


@pytest.fixture
def make(engine: DenseEngine) -> Make:
    return lambda: HybridIndex(DIMENSION, engine=engine)


def test_empty_index_finds_nothing(make: Make, vectors: Vectors) -> None:
    index = make()
    assert len(index) == 0
    assert index.ids() == set()
    assert index.search("年假", vectors(1)[0], k=5) == []
    assert index.remove([1, 2]) == 0


def test_one_chunk(make: Make, vectors: Vectors) -> None:
    index = make()
    rows = vectors(1)
    index.add([7], TEXTS[:1], rows)
    (hit,) = index.search("年假", rows[0], k=5)
    assert hit.id == 7
    assert hit.dense_score == pytest.approx(1.0, abs=1e-6)
    assert hit.keyword_score == 1.0


def test_scores_are_the_exact_cosines_and_all_entries_are_ranked(make: Make, vectors: Vectors) -> None:
    index = make()
    rows = vectors(40)
    index.add(range(100, 140), [TEXTS[i % 5] for i in range(40)], rows)
    index.wait()
    question = vectors(41)[40]
    hits = index.search("密码", question, k=40)
    expected = dict(zip(range(100, 140), (rows @ question).tolist(), strict=True))
    assert {hit.id: pytest.approx(hit.dense_score, abs=1e-6) for hit in hits} == expected
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert {hit.id for hit in hits if hit.keyword_score == 1.0} == set(range(102, 140, 5))


def test_fewer_hits_are_the_first_of_more(make: Make, vectors: Vectors) -> None:
    index = make()
    rows = vectors(30)
    index.add(range(30), [TEXTS[i % 5] for i in range(30)], rows)
    question = vectors(31)[30]
    assert index.search("报销", question, k=3) == index.search("报销", question, k=20)[:3]


def test_replacing_changes_text_and_vector(make: Make, vectors: Vectors) -> None:
    index = make()
    rows = vectors(3)
    index.add([1, 2], TEXTS[:2], rows[:2])
    index.add([2], [TEXTS[2]], rows[2:])
    assert index.ids() == {1, 2}
    found = {hit.id: hit for hit in index.search("密码", rows[2], k=5)}
    assert found[2].dense_score == pytest.approx(1.0, abs=1e-6)
    assert found[2].keyword_score == 1.0
    assert all(hit.keyword_score == 0.0 for hit in index.search("报销", rows[0], k=5))


def test_removed_is_gone(make: Make, vectors: Vectors) -> None:
    index = make()
    rows = vectors(5)
    index.add(range(5), TEXTS, rows)
    assert index.remove([0, 3, 99]) == 2
    assert index.ids() == {1, 2, 4}
    assert {hit.id for hit in index.search("年假 VPN", rows[0], k=10)} == {1, 2, 4}


def test_allowed_limits_both_arms_without_changing_scores(make: Make, vectors: Vectors) -> None:
    index = make()
    rows = vectors(40)
    index.add(range(40), [TEXTS[i % 5] for i in range(40)], rows)
    index.wait()
    everything = {hit.id: hit for hit in index.search("年假", rows[3], k=40)}
    some = index.search("年假", rows[3], k=40, allowed={3, 5, 12, 4_000})
    assert {hit.id for hit in some} == {3, 5, 12}
    assert [hit.score for hit in some] == pytest.approx([everything[hit.id].score for hit in some])
    assert index.search("年假", rows[3], k=40, allowed=[]) == []


@pytest.mark.parametrize("question", ["夏季用电", "夏季用電", "ＶＰＮ", "vpn", "IPHONE"])
def test_traditional_width_and_case_are_folded(make: Make, vectors: Vectors, question: str) -> None:
    index = make()
    index.add(range(5), TEXTS, vectors(5))
    best = max(index.search(question, vectors(6)[5], k=5), key=lambda hit: hit.keyword_score)
    assert best.keyword_score == 1.0
    assert best.id == (4 if question[0] == "夏" else 3)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "   ",
        "？！。",
        "😀🎉",
        "\x00\x07\u200b",
        "\ud800",
        "年" * 100_000,
        'a AND ("b',
        "id:1",
        "*",
        "怎么",
        "the",
    ],
    ids=range(12),
)
@pytest.mark.slow
def test_any_question_gets_an_answer(make: Make, vectors: Vectors, question: str) -> None:
    index = make()
    index.add(range(5), TEXTS, vectors(5))
    hits = index.search(question, vectors(1)[0], k=3)
    assert len(hits) == 3
    assert hits[0].dense_score == pytest.approx(1.0, abs=1e-6)
    assert all(0 <= hit.score <= 1 and 0 <= hit.keyword_score <= 1 for hit in hits)


@pytest.mark.parametrize("text", ["", "😀", "\x00", "\ud800年假", "x" * 100_000], ids=range(5))
def test_any_text_can_be_added(make: Make, vectors: Vectors, text: str) -> None:
    index = make()
    index.add([1], [text], vectors(1))
    assert [hit.id for hit in index.search("年假", vectors(1)[0], k=3)] == [1]


def test_input_that_does_not_fit_adds_nothing(make: Make, vectors: Vectors) -> None:
    index = make()
    rows = vectors(2)
    with pytest.raises(IndexInputError):
        index.add([1, 2], ["a"], rows)
    with pytest.raises(IndexInputError):
        index.add([1], ["a"], rows)
    with pytest.raises(IndexInputError):
        index.add([1, 1], ["a", "b"], rows)
    with pytest.raises(IndexInputError):
        index.add([1, 2], ["a", "b"], rows[:, :8])
    with pytest.raises(IndexInputError):
        index.add([1, 2], ["a", "b"], rows * np.nan)
    with pytest.raises(IndexInputError):
        index.search("a", rows[0, :8], k=1)
    assert len(index) == 0


def test_saved_and_loaded_gives_the_same_hits(
    make: Make, engine: DenseEngine, vectors: Vectors, tmp_path: Path
) -> None:
    index = make()
    rows = vectors(60)
    index.add(range(60), [TEXTS[i % 5] for i in range(60)], rows)
    index.wait()
    index.save(tmp_path)
    loaded = HybridIndex.load(tmp_path, engine=engine)
    question = vectors(61)[60]
    assert loaded.search("报销", question, k=10) == index.search("报销", question, k=10)
    loaded.remove(range(50))
    assert index.ids() == set(range(60))
    loaded.save(tmp_path)
    assert HybridIndex.load(tmp_path, engine=engine).ids() == set(range(50, 60))


def test_nothing_fails_while_others_add_and_remove(make: Make, vectors: Vectors) -> None:
    index = make()
    rows = vectors(64)
    index.add(range(16), [TEXTS[i % 5] for i in range(16)], rows[:16])
    failures: list[Exception] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            try:
                found = {hit.id for hit in index.search("年假", rows[0], k=64)}
                assert set(range(8)) <= found
            except Exception as error:
                failures.append(error)

    searchers = [threading.Thread(target=search) for _ in range(2)]
    for thread in searchers:
        thread.start()
    for start in range(16, 64, 8):
        index.add(range(start, start + 8), TEXTS[:5] + TEXTS[:3], rows[start : start + 8])
    assert index.remove(range(8, 40)) == 32
    done.set()
    for thread in searchers:
        thread.join()
    assert failures == []
    assert index.ids() == {*range(8), *range(40, 64)}


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)), max_size=6
    )
)
@pytest.mark.slow
def test_adding_and_removing_is_a_dictionary(steps: list[tuple[bool, list[int]]]) -> None:
    index = HybridIndex(4)
    reference: dict[int, int] = {}
    basis = np.eye(4, dtype=np.float32)
    for number, (adds, ids) in enumerate(steps):
        if adds:
            index.add(ids, [f"步骤{number}"] * len(ids), np.repeat(basis[[number % 4]], len(ids), axis=0))
            reference.update(dict.fromkeys(ids, number))
        else:
            assert index.remove(ids) == len(reference.keys() & set(ids))
            for entry in ids:
                reference.pop(entry, None)
    assert index.ids() == set(reference)
    for number in range(len(steps)):
        hits = index.search(f"步骤{number}", basis[number % 4], k=20)
        assert {hit.id for hit in hits if hit.keyword_score == 1.0} == {
            i for i, n in reference.items() if n == number
        }
        assert {hit.id for hit in hits if hit.dense_score == 1.0} == {
            i for i, n in reference.items() if n % 4 == number % 4
        }
