from __future__ import annotations

import os
from pathlib import Path

import pytest

from knowledge_base.page_log import PageLogs
from loaders.document import Block, Box, Line, Page, Problem
from loaders.isolation import ReadPage
from tests.knowledge_base.doubles import Home

DIGEST = "ab" * 32


def page(number: int | None, text: str = "合同第三条") -> ReadPage:
    lines = (Line(0, len(text), Box(number or 1, 0.1, 0.2, 0.5, 0.25)),)
    block = Block(text, "table", lines=lines, header="项目 | 金额", confidence=0.75)
    problem = Problem("low_confidence", "doubtful", number)
    return ReadPage(Page(number, (block,), (problem,), ("第一章", "总则")), 3, "pdf")


def log_file(folder: Path) -> Path:
    (path,) = [path for path in folder.iterdir() if path.suffix != ".lock"]
    return path


def test_pages_are_read_back_as_they_were(tmp_path: Path) -> None:
    logs = PageLogs(tmp_path / "pages")
    with logs.open(DIGEST, "parser-1") as log:
        assert log.pages == []
        log.append(page(1))
        log.append(page(2, "第二页\n\ud800"))
    with logs.open(DIGEST, "parser-1") as log:
        assert log.pages == [page(1), page(2, "第二页\n\ud800")]
        log.append(page(3))
    with logs.open(DIGEST, "parser-1") as log:
        assert [read.page.number for read in log.pages] == [1, 2, 3]
    with logs.open(DIGEST, "parser-2") as log:
        assert log.pages == [], "another parser reads otherwise"
    logs.remove(DIGEST, "parser-1")
    with logs.open(DIGEST, "parser-1") as log:
        assert log.pages == []


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b[:-40] + b"x" + b[-39:], lambda b: b + b"{"])
def test_what_a_kill_cut_short_is_read_again(tmp_path: Path, damage: object) -> None:
    logs = PageLogs(tmp_path)
    with logs.open(DIGEST, "p") as log:
        log.append(page(1))
        log.append(page(2))
    path = log_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with logs.open(DIGEST, "p") as log:
        whole = [read.page.number for read in log.pages]
        assert whole in ([1], [1, 2])
        log.append(page(whole[-1] + 1))  # type: ignore[operator]
    with logs.open(DIGEST, "p") as log:
        assert [read.page.number for read in log.pages] == [*whole, whole[-1] + 1]  # type: ignore[operator]


def test_a_page_without_a_number_is_not_kept(tmp_path: Path) -> None:
    logs = PageLogs(tmp_path)
    with logs.open(DIGEST, "p") as log:
        log.append(page(None))
    with logs.open(DIGEST, "p") as log:
        assert log.pages == []


def test_logs_take_no_more_than_they_may(tmp_path: Path) -> None:
    logs = PageLogs(tmp_path, max_bytes=2_000)
    with logs.open(DIGEST, "p") as log:
        for number in range(1, 50):
            log.append(page(number))
    assert 0 < logs.size() <= 2_000
    with logs.open(DIGEST, "p") as log:
        assert [read.page.number for read in log.pages] == list(range(1, len(log.pages) + 1))


def test_two_readers_of_one_file_do_not_mix_their_pages(tmp_path: Path) -> None:
    with PageLogs(tmp_path).open(DIGEST, "p") as first, PageLogs(tmp_path).open(DIGEST, "p") as second:
        first.append(page(1))
        second.append(page(1, "zweite"))
    with PageLogs(tmp_path).open(DIGEST, "p") as log:
        assert log.pages == [page(1)]


def test_the_same_file_stored_elsewhere_meanwhile_ends_no_reading(home: Home) -> None:
    home.catalogue.ensure("two")
    home.add("one", {"a.md": "年假共有十五天。"})

    def again(_name: str) -> None:
        home.parser.before = lambda _: None
        assert [result.state for result in home.add("one", {"a.md": "年假共有十五天。"})] == ["unchanged"]

    home.parser.before = again
    assert [result.state for result in home.add("two", {"a.md": "年假共有十五天。"})] == ["ready"]
    assert list((home.folder / "pages").iterdir()) == []


def test_the_pages_of_another_reader_are_not_removed(tmp_path: Path) -> None:
    with PageLogs(tmp_path).open(DIGEST, "p") as log:
        log.append(page(1))
        PageLogs(tmp_path).remove(DIGEST, "p")
    with PageLogs(tmp_path).open(DIGEST, "p") as log:
        assert log.pages == [page(1)]
    log_file(tmp_path).unlink()


def test_a_log_taken_away_while_it_is_read_ends_no_reading(tmp_path: Path) -> None:
    with PageLogs(tmp_path).open(DIGEST, "p") as log:
        log.append(page(1))
        log_file(tmp_path).unlink()


def test_reading_goes_on_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    logs = PageLogs(tmp_path / "taken")
    with logs.open(DIGEST, "p") as log:
        log.append(page(1))
        assert log.pages == []


def test_a_sweep_leaves_what_is_wanted_or_new(tmp_path: Path) -> None:
    logs = PageLogs(tmp_path)
    for digest in ("a" * 64, "b" * 64, "c" * 64):
        with logs.open(digest, "p") as log:
            log.append(page(1))
    for path in tmp_path.iterdir():
        if not path.name.startswith("c"):
            os.utime(path, (0, 0))
    logs.sweep(lambda: {"a" * 64})
    assert {path.name[0] for path in tmp_path.iterdir()} == {"a", "c"}


def test_pages_kept_of_one_format_are_not_gone_on_with_in_another(home: Home) -> None:
    """The same bytes are a text under one name and a table under another."""
    opened: list[tuple[str, str]] = []
    logs = home.ingestor._page_logs
    real = logs.open

    def noted(*about: str) -> object:
        opened.append(about)  # type: ignore[arg-type]
        return real(*about)

    logs.open = noted  # type: ignore[method-assign, assignment]
    home.add("k", {"a.txt": "甲,乙"})
    home.add("other", {"a.CSV": "甲,乙", "b.csv": "甲,乙"})
    assert len(opened) == 2
    assert opened[0] != opened[1]
    assert opened[0][0] == opened[1][0]
    assert list((home.folder / "pages").iterdir()) == []
