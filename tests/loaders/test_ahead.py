from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from loaders.ahead import Unfinished, in_order
from loaders.document import Page
from loaders.errors import RecognitionFailedError
from loaders.ocr_pages import OcrResult

NOTHING = OcrResult((), None)


def after(event: threading.Event, number: int) -> Unfinished:
    """A page that is finished when somebody has set the event."""

    def read() -> OcrResult:
        assert event.wait(10)
        return NOTHING

    return Unfinished([read], lambda _: Page(number))


def numbers(pages: Iterator[Page]) -> list[int | None]:
    return [page.number for page in pages]


def test_pages_come_in_order_whichever_is_finished_first() -> None:
    second = threading.Event()

    def read() -> OcrResult:
        second.set()
        return NOTHING

    last = Unfinished([read], lambda _: Page(3))
    assert numbers(in_order([Page(1), after(second, 2), last, Page(4)], ahead=3)) == [1, 2, 3, 4]


def test_a_page_is_made_of_what_its_pictures_say_in_their_order() -> None:
    second = threading.Event()

    def first_picture() -> OcrResult:
        assert second.wait(10)  # both are read at once
        return OcrResult((), 0.1)

    def second_picture() -> OcrResult:
        second.set()
        return OcrResult((), 0.2)

    seen: list[float | None] = []

    def finish(results: list[OcrResult]) -> Page:
        seen.extend(result.confidence for result in results)
        return Page(1)

    assert numbers(in_order([Unfinished([first_picture, second_picture], finish)], ahead=3)) == [1]
    assert seen == [0.1, 0.2]


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
    def read() -> OcrResult:
        raise RecognitionFailedError("broken")

    failing = Unfinished([read], lambda _: Page(2))
    found = in_order([after(_set(), 1), failing, Page(3)], ahead=3)
    assert next(found).number == 1
    with pytest.raises(RecognitionFailedError):
        next(found)


def test_leaving_early_leaves_no_thread_behind() -> None:
    found = in_order([Page(1), *(after(_set(), number) for number in range(2, 7))], ahead=2)
    assert next(found).number == 1
    assert next(found).number == 2
    found.close()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("picture")] == []


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
