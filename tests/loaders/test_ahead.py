from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from loaders.ahead import Unfinished, in_order
from loaders.document import Page
from loaders.errors import RecognitionFailedError


def after(event: threading.Event, number: int) -> Unfinished:
    def finish() -> Page:
        assert event.wait(10)
        return Page(number)

    return finish


def numbers(pages: Iterator[Page]) -> list[int | None]:
    return [page.number for page in pages]


def test_pages_come_in_order_whichever_is_finished_first() -> None:
    second = threading.Event()

    def last() -> Page:
        second.set()
        return Page(3)

    assert numbers(in_order([Page(1), after(second, 2), last, Page(4)], ahead=3)) == [1, 2, 3, 4]


def test_finished_pages_come_at_once_and_others_are_begun_ahead_of_an_unfinished_one() -> None:
    begun: list[int] = []
    release = threading.Event()

    def pages() -> Iterator[Page | Unfinished]:
        for number in range(1, 9):
            begun.append(number)
            if number == 6:
                release.set()
            yield after(release, number) if number == 3 else Page(number)

    found = in_order(pages(), ahead=3)
    assert (next(found).number, begun) == (1, [1])
    assert (next(found).number, begun) == (2, [1, 2])
    # It waits for the third only when three more are begun.
    assert (next(found).number, begun) == (3, [1, 2, 3, 4, 5, 6])
    assert numbers(found) == [4, 5, 6, 7, 8]


def test_an_error_comes_in_the_place_of_its_page() -> None:
    def fail() -> Page:
        raise RecognitionFailedError("broken")

    found = in_order([after(_set(), 1), fail, Page(3)], ahead=3)
    assert next(found).number == 1
    with pytest.raises(RecognitionFailedError):
        next(found)


def test_leaving_early_leaves_no_thread_behind() -> None:
    found = in_order([Page(1), *(after(_set(), number) for number in range(2, 7))], ahead=2)
    assert next(found).number == 1
    assert next(found).number == 2
    found.close()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("page")] == []


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
