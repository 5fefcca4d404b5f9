from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loaders.base import FaqColumns, Limits, LoadOptions, RecognisedLine
from loaders.errors import (
    DamagedFileError,
    EmptyFileError,
    LimitExceededError,
    LoadingCancelledError,
    NoTextError,
    OutOfMemoryError,
    RecognitionFailedError,
    UnsupportedFormatError,
)
from loaders.isolation import IsolatedParser
from loaders.isolation_worker import work
from loaders.registry import parse_file
from loaders.worker_pool import Worker
from tests.loaders.office_files import workbook, zip_of
from tests.loaders.test_legacy_office import ole, program, until_ended

pytestmark = pytest.mark.slow

# What the engine does with a picture, told by the picture's width.
READ, CRASH, HANG, GROW, FAIL = 100, 101, 102, 103, 104


@dataclass(frozen=True)
class FoundLine:
    text: str
    confidence: float
    polygon: tuple[tuple[float, float], ...]


class HostileRecogniser:
    def recognise(self, image: np.ndarray) -> Sequence[RecognisedLine]:
        width = image.shape[1]
        if width == CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        if width == HANG:
            threading.Event().wait()
        if width == GROW:
            np.ones(4 * 1024**3, np.uint8)
        if width == FAIL:
            raise KeyError("engine")
        return [FoundLine(f"进程{os.getpid()}", 0.9, ((0, 0), (50, 0), (50, 20), (0, 20)))]


def picture(folder: Path, *widths: int) -> Path:
    from PIL import Image

    first, *others = (Image.new("RGB", (width, 60), "white") for width in widths)
    path = folder / f"{'-'.join(map(str, widths))}.tif"
    first.save(path, save_all=True, append_images=others)
    return path


@pytest.fixture(scope="module")
def parser() -> Iterator[IsolatedParser]:
    with IsolatedParser(HostileRecogniser, memory_bytes=1024**3, page_seconds=20) as made:
        yield made


def worker_of(parser: IsolatedParser, folder: Path) -> str:
    return parser.parse(picture(folder, READ), name="a.tif").text


def test_parses_as_without_isolation(parser: IsolatedParser, tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["部门", "人数"])
        book.active.append(["财务", 12])
        book.create_sheet("二").append(["备注"])

    path = workbook(tmp_path / "stored-under-a-hash", fill)
    seen: list[tuple[int, int]] = []
    document = parser.parse(path, name="人员.xlsx", progress=lambda *at: seen.append(at))
    assert document == parse_file(path, name="人员.xlsx", options=LoadOptions())
    assert document.text == "财务 | 12\n备注"
    assert seen == [(1, 2), (2, 2)]
    assert [page.page.number for page in parser.pages(path, name="人员.xlsx", first_page=2)] == [2]


def test_errors_and_their_details_come_through(parser: IsolatedParser, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(EmptyFileError):
        parser.parse(empty, name="空.txt")
    with pytest.raises(UnsupportedFormatError):
        parser.parse(zip_of({"[Content_Types].xml": "x"}, tmp_path / "x"), name="a.xyz")
    blank = workbook(tmp_path / "blank", lambda book: None)
    with pytest.raises(NoTextError):
        parser.parse(blank, name="a.xlsx")
    with pytest.raises(LimitExceededError) as caught:
        parser.parse(blank, name="a.xlsx", limits=Limits(file_bytes=10))
    assert caught.value.details["limit"] == "file_bytes"
    assert caught.value.details["maximum"] == 10


def test_the_worker_stays_warm_and_is_not_this_process(parser: IsolatedParser, tmp_path: Path) -> None:
    first = worker_of(parser, tmp_path)
    assert worker_of(parser, tmp_path) == first
    assert first != f"进程{os.getpid()}"


def test_a_crash_is_an_error_and_the_next_file_is_read(parser: IsolatedParser, tmp_path: Path) -> None:
    before = worker_of(parser, tmp_path)
    with pytest.raises(DamagedFileError, match="SIGSEGV") as caught:
        parser.parse(picture(tmp_path, CRASH), name="坏.tif")
    assert (caught.value.details["reason"], caught.value.details["name"]) == ("crash", "坏.tif")
    assert worker_of(parser, tmp_path) != before


def test_pages_before_a_crash_are_kept(parser: IsolatedParser, tmp_path: Path) -> None:
    pages = parser.pages(picture(tmp_path, READ, READ, CRASH), name="a.tif")
    found = [next(pages), next(pages)]
    assert [(read.page.number, read.total, read.format) for read in found] == [
        (1, 3, "image"),
        (2, 3, "image"),
    ]
    with pytest.raises(DamagedFileError):
        next(pages)


def test_an_engine_that_fails_is_not_the_files_fault(parser: IsolatedParser, tmp_path: Path) -> None:
    before = worker_of(parser, tmp_path)
    with pytest.raises(RecognitionFailedError, match="engine") as caught:
        parser.parse(picture(tmp_path, FAIL), name="a.tif")
    assert caught.value.retryable
    # Also where it is one of many parts, whose own faults would be problems.
    with pytest.raises(RecognitionFailedError):
        parser.parse(zip_of({"a.tif": picture(tmp_path, FAIL).read_bytes()}, tmp_path / "z"), name="a.zip")
    assert worker_of(parser, tmp_path) == before


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux limits a process's memory")
def test_memory_is_limited(parser: IsolatedParser, tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError) as caught:
        parser.parse(picture(tmp_path, GROW), name="a.tif")
    assert caught.value.details["name"] == "a.tif"
    assert worker_of(parser, tmp_path).startswith("进程")


def test_a_page_that_takes_too_long_ends(tmp_path: Path) -> None:
    with IsolatedParser(HostileRecogniser, page_seconds=0.5) as parser:
        with pytest.raises(LimitExceededError) as caught:
            parser.parse(picture(tmp_path, HANG), name="慢.tif")
        assert caught.value.details == {"name": "慢.tif", "limit": "page_seconds", "maximum": 0.5}
        assert parser.parse(zip_of({"a.txt": "字"}, tmp_path / "a.zip"), name="a.zip").text == "字"


def test_the_names_of_faq_columns_reach_the_worker(parser: IsolatedParser, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("咨询内容,客服\n怎么请假？,在系统里提交。\n", encoding="utf-8")
    columns = FaqColumns(questions=("咨询内容",), answers=("客服",))
    (section,) = parser.parse(path, name="a.csv", faq=columns).sections
    assert (section.block.question, section.block.text) == ("怎么请假？", "在系统里提交。")


def test_a_worker_whose_parent_is_gone_ends_quietly(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    ours.close()
    folder = tmp_path / "of-the-worker"
    folder.mkdir()
    process = context.Process(target=work, args=(theirs, None, 2**31, str(folder)))
    process.start()
    theirs.close()
    process.join(60)
    assert process.exitcode == 0
    assert not folder.exists()


def test_cancelling_takes_effect_at_once(parser: IsolatedParser, tmp_path: Path) -> None:
    pages = iter(parser.pages(picture(tmp_path, READ, HANG), name="a.tif", cancelled=(asked := Asked())))
    assert next(pages).page.number == 1
    asked.answer = True
    start = time.monotonic()
    with pytest.raises(LoadingCancelledError):
        next(pages)
    assert time.monotonic() - start < 2
    assert worker_of(parser, tmp_path).startswith("进程")


class Asked:
    answer = False

    def __call__(self) -> bool:
        return self.answer


def test_leaving_early_frees_the_place(parser: IsolatedParser, tmp_path: Path) -> None:
    for read in parser.pages(picture(tmp_path, READ, HANG), name="a.tif"):
        assert read.page.number == 1
        break
    assert worker_of(parser, tmp_path).startswith("进程")


def test_threads_share_the_places(parser: IsolatedParser, tmp_path: Path) -> None:
    path = picture(tmp_path, READ)
    found: list[str] = []

    def parse() -> None:
        found.append(parser.parse(path, name="a.tif").text[:2])

    threads = [threading.Thread(target=parse) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["进程"] * 4


def test_closing_ends_what_is_being_read(tmp_path: Path) -> None:
    parser = IsolatedParser(HostileRecogniser)
    pages = parser.pages(picture(tmp_path, READ, HANG), name="a.tif")
    worker = int(next(pages).page.blocks[0].text.removeprefix("进程"))
    timer = threading.Timer(0.2, parser.close)
    timer.start()
    with pytest.raises(LoadingCancelledError):
        next(pages)
    timer.join()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    with pytest.raises(LoadingCancelledError):
        parser.parse(picture(tmp_path, READ), name="a.tif")


def test_a_worker_is_ended_by_several_at_once() -> None:
    worker, interval = Worker(None, 2 * 1024**3), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            for _ in range(200):
                worker.channel, other = multiprocessing.Pipe()
                for ended in [threads.submit(worker.kill) for _ in range(4)]:
                    ended.result()
                assert worker.channel.closed
                other.close()
    finally:
        sys.setswitchinterval(interval)


def test_what_a_file_started_and_wrote_goes_when_it_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, temporary = tmp_path / "started", tmp_path / "tmp"
    temporary.mkdir()
    program(
        tmp_path, f'tail -f /dev/null & echo $! > "{started}.part"; mv "{started}.part" "{started}"; wait'
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with IsolatedParser() as parser:
        with pytest.raises(LoadingCancelledError):
            parser.parse(ole(tmp_path, "WordDocument"), name="旧.doc", cancelled=started.exists)
        assert list(temporary.iterdir()) == []
    until_ended(int(started.read_text()))


def test_an_archive_keeps_its_worker_until_it_is_read(tmp_path: Path) -> None:
    archive = zip_of({f"{n}.txt": f"第{n}" for n in range(300)}, tmp_path / "a.zip")
    with IsolatedParser(slice_seconds=0) as parser:
        pages = parser.pages(archive, name="a.zip")
        read = [next(pages)]
        texts: list[str] = []
        other = threading.Thread(target=lambda: texts.append(parser.parse(archive, name="b.zip").text))
        other.start()
        while not parser._pool.contended:
            time.sleep(0.001)
        read.extend(pages)
        other.join()
    assert [page.page.number for page in read] == list(range(1, 301))


def test_a_long_file_lets_others_have_their_turn_and_goes_on(tmp_path: Path) -> None:
    long = workbook(tmp_path / "long", fill_sheets)
    short = workbook(tmp_path / "short", lambda book: book.active.append(["甲", "乙"]))
    with IsolatedParser(slice_seconds=0) as parser:
        pages = parser.pages(long, name="long.xlsx")
        read = [next(pages)]
        texts: list[str] = []
        other = threading.Thread(target=lambda: texts.append(parser.parse(short, name="s.xlsx").text))
        other.start()
        while not parser._pool.contended:
            time.sleep(0.001)
        # More than the pipe takes: the worker is still at the file when the other asks.
        while not texts:
            read.append(next(pages))
            other.join(0.0 if parser._pool.contended else 5.0)
        assert len(read) < 30
        read.extend(pages)
    assert texts == ["甲 | 乙"]
    assert [page.page.number for page in read] == list(range(1, 62))
    whole = parse_file(long, name="long.xlsx", options=LoadOptions())
    assert "\n".join(block.text for page in read for block in page.page.blocks) == whole.text


def fill_sheets(book: Any) -> None:
    for number in range(60):
        book.create_sheet(f"第{number}页").append([f"{number}" + "表" * 4000])
