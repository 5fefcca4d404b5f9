from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders import members
from loaders.archive import ArchiveLoader
from loaders.base import Limits, LoadOptions
from loaders.errors import DamagedFileError, LimitExceededError, LoadingCancelledError, TemporaryFolderError
from loaders.members import Budget
from tests.loaders.office_files import (
    assert_survives,
    head,
    load,
    recognised,
    texts,
    truncations,
    workbook,
    zip_of,
)

LOADER = ArchiveLoader()


def packed(members: dict[str, bytes | str]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_reads_every_member_under_its_name(tmp_path: Path) -> None:
    book = workbook(tmp_path / "b.xlsx", lambda book: book.create_sheet("二").append(["数", 1]))
    inner = packed({"深/内.txt": "里面的字"})
    path = zip_of(
        {
            "说明.txt": "你好",
            "表/费用.xlsx": book.read_bytes(),
            "内.zip": inner,
            "__MACOSX/._a": "x",
            "空/": "",
        },
        tmp_path / "a.zip",
    )
    assert recognised(LOADER, path, "no-suffix")
    pages = load(LOADER, path)
    assert [page.number for page in pages] == [1, 2, 3, 4]
    assert [page.heading_path for page in pages] == [
        ("说明.txt",),
        ("表/费用.xlsx", "p. 1", "Sheet"),
        ("表/费用.xlsx", "p. 2", "二"),
        ("内.zip", "深/内.txt"),
    ]
    assert texts(pages) == ["你好", "数 | 1", "里面的字"]
    assert all(not page.problems for page in pages)


def test_names_in_gbk_are_read(tmp_path: Path) -> None:
    # Without the flag that says that a name is UTF-8, as Chinese archivers on Windows write it.
    path = tmp_path / "a.zip"
    path.write_bytes(packed({"XXXX.txt": "字"}).replace(b"XXXX", "汉字".encode("gbk")))
    (page,) = load(LOADER, path)
    assert page.heading_path == ("汉字.txt",)


@pytest.mark.parametrize(
    "name", ["../../escape.txt", "/etc/escape.txt", "C:\\escape.txt", "a/../../escape.txt"]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = zip_of({name: "坏", "好.txt": "好"}, tmp_path / "a.zip")
    bad, good = load(LOADER, path)
    assert [problem.code for problem in bad.problems] == ["unsafe_member"]
    assert texts([bad, good]) == ["好"]
    assert not list(tmp_path.parent.glob("**/escape.txt"))


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    (page,) = load(LOADER, path)
    assert [(problem.code, problem.page) for problem in page.problems] == [("unsafe_member", 1)]
    assert page.blocks == ()


def test_what_cannot_be_read_is_a_problem_of_its_member(tmp_path: Path) -> None:
    path = zip_of(
        {"a.exe": b"MZ\0\0\x01\x02" * 50, "b.xlsx": b"PK\x03\x04cut", "空.txt": b"", "好.txt": "好"},
        tmp_path / "a.zip",
    )
    pages = load(LOADER, path)
    assert [[problem.code for problem in page.problems] for page in pages] == [
        ["unreadable_member"],
        ["unreadable_member"],
        ["unreadable_member"],
        [],
    ]
    assert pages[0].problems[0].message.startswith("a.exe: ")
    assert texts(pages) == ["好"]


def test_encrypted_members_are_a_problem(tmp_path: Path) -> None:
    data = bytearray(packed({"密.txt": "秘密" * 10, "好.txt": "好"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(data))
    first, second = load(LOADER, path)
    assert [problem.code for problem in first.problems] == ["unreadable_member"]
    assert first.problems[0].message == "密.txt: it asks for a password"
    assert texts([second]) == ["好"]


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = zip_of({"a.txt": b"0" * 60_000_000}, tmp_path / "a.zip")
    with pytest.raises(LimitExceededError) as caught:
        load(LOADER, path)
    assert caught.value.details["limit"] == "archive_ratio"


def test_a_bomb_of_bombs_is_refused(tmp_path: Path) -> None:
    # Each of the members is within the ratio, all of them together are not.
    inner = packed({f"{number}.bin": b"MZ" + bytes(9_000_000) for number in range(3)})
    path = zip_of({f"{number}.zip": inner for number in range(10)}, tmp_path / "a.zip")
    with pytest.raises(LimitExceededError) as caught:
        load(LOADER, path, limits=Limits(archive_ratio=20))
    assert caught.value.details["limit"] == "archive_ratio"


def test_depth_is_limited(tmp_path: Path) -> None:
    data = packed({"底.txt": "底"})
    for _ in range(3):
        data = packed({"内.zip": data, "层.txt": "层"})
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    pages = load(LOADER, path)
    assert [problem.code for page in pages for problem in page.problems] == ["unreadable_member"]
    assert texts(pages) == ["层", "层", "层"]


def test_the_number_of_files_is_limited_over_all_depths(tmp_path: Path) -> None:
    inner = packed({f"{number}.txt": "字" for number in range(4)})
    path = zip_of({"一.zip": inner, "二.zip": inner}, tmp_path / "a.zip")
    with pytest.raises(LimitExceededError) as caught:
        load(LOADER, path, limits=Limits(archive_files=8))
    assert caught.value.details["limit"] == "archive_files"
    assert len(load(LOADER, path, limits=Limits(archive_files=10))) == 8


def test_a_member_beyond_the_size_limit_is_a_problem(tmp_path: Path) -> None:
    path = zip_of({"大.txt": "字" * 1000, "小.txt": "字"}, tmp_path / "a.zip")
    first, second = load(LOADER, path, limits=Limits(file_bytes=1000))
    assert [problem.code for problem in first.problems] == ["unreadable_member"]
    assert texts([second]) == ["字"]


def test_resumes_and_cancels_between_members(tmp_path: Path) -> None:
    path = zip_of({"一.txt": "一", "二.txt": "二"}, tmp_path / "a.zip")
    seen: list[tuple[int, int]] = []
    (page,) = load(LOADER, path, first_page=2, progress=lambda *at: seen.append(at))
    assert (page.number, texts([page])) == (2, ["二"])
    assert seen[-1] == (2, 2)
    with pytest.raises(LoadingCancelledError):
        load(LOADER, path, cancelled=lambda: True)


def test_other_packages_are_not_archives(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.zip", lambda book: None)
    assert not recognised(LOADER, path)


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    path = zip_of({"一.txt": "一", "坏.xlsx": b"PK\x03\x04"}, tmp_path / "a.zip")
    assert len(load(LOADER, path)) == 2
    assert list(folder.iterdir()) == []


def test_cut_short_anywhere_is_damaged(tmp_path: Path) -> None:
    data = packed({"a.txt": "甲" * 100, "b.txt": "乙" * 100})
    for part in truncations(data):
        path = tmp_path / "a.zip"
        path.write_bytes(part)
        with pytest.raises(DamagedFileError):
            load(LOADER, path)


def test_a_damaged_member_loses_no_other(tmp_path: Path) -> None:
    data = bytearray(packed({"a.txt": "甲乙丙丁" * 100, "b.txt": "好"}))
    data[40:46] = b"\xff" * 6
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(data))
    first, second = load(LOADER, path)
    assert [problem.code for problem in first.problems] == ["unreadable_member"]
    assert texts([second]) == ["好"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_survive(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(packed({"a.txt": "甲" * 20, "b.zip": packed({"c.csv": "问,答\n1,2"})}))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert_survives(LOADER, bytes(raw), tmp_path, "a.zip")


def test_contents_take_from_the_given_budget(tmp_path: Path) -> None:
    path = zip_of({"一.txt": "一"}, tmp_path / "a.zip")
    budget = Budget.of(Limits(), path.stat().st_size)
    assert len(list(LOADER.contents(path, LoadOptions(), budget))) == 1
    assert (budget.files, head(path)[:2]) == (1999, b"PK")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_temporary_disk_is_not_the_members_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full() -> Iterator[Path]:
        yield tmp_path

    (tmp_path / "member").symlink_to("/dev/full")
    monkeypatch.setattr(members, "temporary_folder", full)
    with pytest.raises(TemporaryFolderError, match="No space left") as caught:
        load(LOADER, zip_of({"a.txt": "甲"}, tmp_path / "a.zip"))
    assert caught.value.retryable
