from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.vectorstore.conftest import DIMENSION, Vectors
from vectorstore.dense import DenseIndex


def nearest(rows: np.ndarray, question: np.ndarray, k: int) -> list[int]:
    return [int(i) for i in np.argsort(-(rows @ question), kind="stable")[:k]]


def test_exact_search_equals_numpy(vectors: Vectors) -> None:
    rows = vectors(3_000)
    index = DenseIndex(DIMENSION)
    index.add(range(3_000), rows)
    for question in vectors(3_010)[3_000:]:
        assert [entry for entry, _ in index.search(question, 10)] == nearest(rows, question, 10)


def test_inverted_search_scores_exactly_and_finds_nearly_all(vectors: Vectors) -> None:
    rows = vectors(6_000)
    index = DenseIndex(DIMENSION, inverted_from=2_000)
    index.add(range(6_000), rows)
    index.wait()
    assert index._inverted is not None
    found = 0
    for question in vectors(6_050)[6_000:]:
        hits = dict(index.search(question, 10))
        assert hits == pytest.approx({i: float(rows[i] @ question) for i in hits}, abs=1e-6)
        found += len(set(hits) & set(nearest(rows, question, 10)))
    assert found >= 0.97 * 500


def test_changes_during_and_after_training_are_served(vectors: Vectors) -> None:
    rows = vectors(3_000)
    index = DenseIndex(DIMENSION, inverted_from=1_000)
    index.add(range(2_000), rows[:2_000])
    index.add(range(2_000, 2_500), rows[2_000:2_500])
    index.remove(range(100))
    index.add([500], rows[2_999:])
    index.wait()
    index.add(range(2_500, 2_900), rows[2_500:2_900])
    index.remove([600])
    assert index._inverted is not None
    assert len(index._inverted) == len(index) == 2_799
    assert index.search(rows[2_999], 1)[0][0] == 500
    assert index.search(rows[2_200], 1)[0][0] == 2_200
    assert index.search(rows[2_700], 1)[0][0] == 2_700
    assert index.search(rows[50], 1)[0][0] != 50
    assert index.search(rows[600], 1)[0][0] != 600


def test_a_fifth_replaced_is_found_without_training_anew(vectors: Vectors) -> None:
    made = vectors(7_250)
    rows, others, questions = made[:6_000].copy(), made[6_000:7_200], made[7_200:]
    index = DenseIndex(DIMENSION, inverted_from=6_000)
    index.add(range(6_000), rows)
    index.wait()
    trained = index._inverted
    replaced = np.random.default_rng(1).choice(6_000, 1_200, replace=False)
    rows[replaced] = others
    index.remove(replaced[:600].tolist())
    index.add(replaced.tolist(), rows[replaced])
    index.wait()
    assert index._inverted is trained is not None
    found = sum(
        len({entry for entry, _ in index.search(question, 10)} & set(nearest(rows, question, 10)))
        for question in questions
    )
    assert found >= 0.97 * 500


def test_searches_go_on_while_an_inverted_file_is_trained_and_swapped_in(vectors: Vectors) -> None:
    rows = vectors(6_000)
    index = DenseIndex(DIMENSION, inverted_from=3_000)
    index.add(range(2_999), rows[:2_999])
    ended = threading.Event()
    wrong: list[int] = []
    asked: list[bool] = []

    def search() -> None:
        while not ended.is_set():
            wrong.extend(i for i in (7, 1_500, 2_998) if index.search(rows[i], 1)[0][0] != i)
            asked.append(index._inverted is not None)

    searching = threading.Thread(target=search)
    searching.start()
    try:
        index.add(range(2_999, 6_000), rows[2_999:])
        index.wait()
        swapped = len(asked)
        while len(asked) <= swapped + 1:
            assert searching.is_alive()
    finally:
        ended.set()
        searching.join()
    assert wrong == []
    assert asked[-1], "some were served by the inverted file"
    assert index.search(rows[5_999], 1)[0][0] == 5_999


def test_training_again_after_growth(vectors: Vectors) -> None:
    rows = vectors(2_600)
    index = DenseIndex(DIMENSION, inverted_from=500)
    index.add(range(600), rows[:600])
    index.wait()
    index.add(range(600, 2_600), rows[600:])
    index.wait()
    assert index._inverted is not None
    assert index._inverted.trained_for == 2_600


class Early(DenseIndex):
    def __init__(self, dimension: int, *, inverted_from: int = 1_000) -> None:
        super().__init__(dimension, inverted_from=inverted_from)


def test_what_was_written_before_its_training_ended_is_trained_when_it_is_read(
    vectors: Vectors, tmp_path: Path
) -> None:
    exact = DenseIndex(DIMENSION)
    exact.add(range(1_200), vectors(1_200))
    exact.write(tmp_path)
    index = Early.read(tmp_path, DIMENSION)
    index.wait()
    assert index._inverted is not None
    assert (len(index._inverted), index.trained) == (1_200, 1)
    index.write(tmp_path)
    again = Early.read(tmp_path, DIMENSION)
    assert (again._training, again.trained) == (None, 0), "it was read as it is"


def test_after_a_training_that_fails_the_next_change_tries_again(
    vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    rows = vectors(1_200)
    index = Early(DIMENSION)
    with monkeypatch.context() as patch:
        patch.setattr("vectorstore.dense.InvertedFile", fails)
        index.add(range(1_100), rows[:1_100])
        index.wait()
    assert (index._training, index._inverted, index.trained) == (None, None, 0)
    index.add(range(1_100, 1_200), rows[1_100:])
    index.wait()
    assert index._inverted is not None
    assert len(index._inverted) == 1_200


def test_allowed_ids_in_many(vectors: Vectors) -> None:
    rows = vectors(8_000)
    index = DenseIndex(DIMENSION, inverted_from=4_000)
    index.add(range(8_000), rows)
    index.wait()
    even = range(0, 8_000, 2)
    odd = range(1, 8_000, 2)
    question = vectors(8_001)[8_000]
    assert all(entry % 2 == 0 for entry, _ in index.search(question, 10, even))
    many = [*odd, *range(0, 4_000, 2)]
    assert {entry for entry, _ in index.search(question, 10, many)} <= set(many)
