"""Following a folder from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.cli import mirror as mirroring
from app.errors import FileNotFoundOnDiskError
from tests.app.test_command_line import LEAVE, TRAVEL, Zhiwen, zhiwen

__all__ = ["zhiwen"]

pytestmark = pytest.mark.model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "文件 a_b%"
    (made / "sub").mkdir(parents=True)
    (made / "leave.md").write_text(LEAVE, encoding="utf-8")
    (made / "sub" / "travel.md").write_text(TRAVEL, encoding="utf-8")
    return made


def states(result: dict[str, Any]) -> dict[str, str]:
    return {document["name"]: document["state"] for document in result["documents"]}


def names(zhiwen: Zhiwen) -> set[str]:
    return {document["name"] for document in zhiwen("documents", "k", "--json").json["documents"]}


@pytest.mark.slow
def test_new_changed_and_gone_files_are_followed(zhiwen: Zhiwen, folder: Path, tmp_path: Path) -> None:
    def follow(*options: str) -> Any:
        return zhiwen("ingest", "k", folder, "--mirror", *options, "--json").json

    foreseen = follow("--dry-run")
    assert states(foreseen) == {"leave.md": "new", "sub/travel.md": "new"}
    assert zhiwen("kb", "list", "--json").json == {"knowledge_bases": []}
    assert states(follow()) == {"leave.md": "ready", "sub/travel.md": "ready"}

    by_hand = tmp_path / "by hand.md"
    by_hand.write_text("# 手册\n\n不在那个文件夹里。\n", encoding="utf-8")
    zhiwen("ingest", "k", by_hand)
    (folder / "leave.md").write_text(LEAVE.replace("五天", "六天"), encoding="utf-8")
    (folder / "sub" / "travel.md").unlink()
    (folder / "neu.md").write_text("# 班车\n\n七点四十发车。\n", encoding="utf-8")
    wanted = {"leave.md": "changed", "neu.md": "new"}
    foreseen = follow("--dry-run")
    assert (states(foreseen), foreseen["deleted"]) == (wanted, ["sub/travel.md"])
    assert names(zhiwen) == {"leave.md", "sub/travel.md", "by hand.md"}
    done = follow()
    assert (states(done), done["deleted"]) == ({"leave.md": "ready", "neu.md": "ready"}, ["sub/travel.md"])
    assert names(zhiwen) == {"leave.md", "neu.md", "by hand.md"}
    assert states(follow()) == {"leave.md": "unchanged", "neu.md": "unchanged"}


def test_a_renamed_file_keeps_its_document(zhiwen: Zhiwen, folder: Path) -> None:
    first = zhiwen("ingest", "k", folder, "--mirror", "--json")
    assert first.status == 0, first.err
    before = first.json["documents"]
    (folder / "leave.md").rename(folder / "年假.md")
    after = zhiwen("ingest", "k", folder, "--mirror", "--json").json
    assert after["deleted"] == ["leave.md"]
    assert {document["id"] for document in after["documents"]} == {document["id"] for document in before}
    assert names(zhiwen) == {"年假.md", "sub/travel.md"}


def test_a_folder_that_is_not_mounted_empties_nothing(zhiwen: Zhiwen, folder: Path) -> None:
    zhiwen("ingest", "k", folder, "--mirror")
    for path in (folder / "leave.md", folder / "sub" / "travel.md"):
        path.unlink()
    refused = zhiwen("ingest", "k", folder, "--mirror", "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "empty_folder")
    assert refused.json["error"]["details"]["count"] == 2
    (folder / "sub").rmdir()
    folder.rmdir()
    missing = zhiwen("ingest", "k", folder, "--mirror", "--json")
    assert (missing.status, missing.json["error"]["code"]) == (1, "file_not_found")
    assert names(zhiwen) == {"leave.md", "sub/travel.md"}
    folder.mkdir()
    emptied = zhiwen("ingest", "k", folder, "--mirror", "--allow-empty", "--json")
    assert (emptied.status, emptied.json["deleted"]) == (0, ["leave.md", "sub/travel.md"])
    assert names(zhiwen) == set()


def test_a_part_that_cannot_be_read_stops_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_top: object, *, onerror: Any) -> list[object]:
        onerror(PermissionError(13, "Permission denied", str(folder / "sub")))
        return []

    monkeypatch.setattr("os.walk", denied)
    with pytest.raises(FileNotFoundOnDiskError, match="sub"):
        mirroring._check_readable(folder)


@pytest.mark.parametrize("arguments", [("--dry-run",), ("--allow-empty",), ("--mirror", "another")])
def test_options_that_make_no_sense_are_refused(zhiwen: Zhiwen, folder: Path, arguments: tuple[str]) -> None:
    assert zhiwen("ingest", "k", folder, *arguments).status == 2
