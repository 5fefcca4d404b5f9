from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from knowledge_base.errors import CatalogueDamagedError
from knowledge_base.integrity import Integrity
from tests.knowledge_base.doubles import Home, open_home, sections

TEXTS = {
    f"{n}.md": sections(*(f"第{n}号文件第{m}段，编号为{n * 1000 + m}。" + "长" * 40 for m in range(12)))
    for n in range(40)
}


def damage_a_page_of_chunks(home: Home) -> None:
    """Overwrite a page in the middle of the table of chunks."""
    home.database._outside("PRAGMA wal_checkpoint(TRUNCATE)")
    home.close()
    path = home.folder / "catalogue.db"
    content = bytearray(path.read_bytes())
    place = content.index("第20号文件第6段".encode()) // 4096 * 4096
    content[place : place + 4096] = b"\xff" * 4096
    path.write_bytes(content)


def test_a_sound_folder(home: Home) -> None:
    home.add("k", {"a.md": "年假共有十五天。"})
    assert Integrity(home.database, home.files).check(deep=True) == []


def test_files_that_are_missing_or_changed_are_named(home: Home) -> None:
    home.add("k", {"a.md": "年假共有十五天。", "b.md": "住宿标准为五百元。", "c.md": "班车七点发车。"})
    a, b, _ = home.catalogue.documents(home.key("k").id)
    gone = home.files.path(home.catalogue.stored_sha256(1, a.id))
    changed = home.files.path(home.catalogue.stored_sha256(1, b.id))
    gone.unlink()
    changed.write_bytes(changed.read_bytes()[::-1])
    integrity = Integrity(home.database, home.files)
    assert [(f.code, f.document, f.knowledge_base) for f in integrity.check()] == [
        ("file_missing", "a.md", "k")
    ]
    assert [(f.code, f.document, f.file) for f in integrity.check(deep=True)] == [
        ("file_missing", "a.md", str(gone)),
        ("file_damaged", "b.md", str(changed)),
    ]


@pytest.mark.slow
def test_a_damaged_page_costs_its_documents_only(home: Home, tmp_path: Path) -> None:
    home.add("k", TEXTS)
    damage_a_page_of_chunks(home)
    damaged = open_home(home.folder)
    integrity = Integrity(damaged.database, damaged.files)
    findings = integrity.check()
    assert findings[0].code == "catalogue"
    lost = {finding.document for finding in findings if finding.code == "document"}
    assert "20.md" in lost
    assert len(lost) < 10
    assert all(Path(f.file).is_file() for f in findings if f.code == "document")
    with pytest.raises(CatalogueDamagedError):
        damaged.texts("k")

    rescued = integrity.rescue(tmp_path / "rescued")
    damaged.close()
    assert rescued.documents == len(TEXTS) - len(lost)
    assert {finding.document for finding in rescued.lost} == lost
    saved = open_home(tmp_path / "rescued")
    assert set(saved.texts("k")) == set(TEXTS) - lost
    assert saved.found("编号为5003", "k") == {"5.md"}
    assert Integrity(saved.database, saved.files).check(deep=True) == []
    saved.add("k", {name: TEXTS[name] for name in lost})
    assert saved.texts("k").keys() == TEXTS.keys()
    assert saved.found("编号为20006", "k") == {"20.md"}
    with pytest.raises(FileExistsError):
        Integrity(saved.database, saved.files).rescue(tmp_path / "rescued")
    saved.close()


@pytest.mark.parametrize(
    "damage",
    ["text = CAST(x'e5ff' || CAST(text AS BLOB) AS TEXT)", "heading_path = '[\"第'"],
    ids=["text", "json"],
)
def test_rot_within_a_value_is_damage_and_tells_no_text(home: Home, tmp_path: Path, damage: str) -> None:
    home.add("k", {"a.md": "年假共有十五天。", "b.md": "住宿标准为五百元。"})
    home.close()
    with closing(sqlite3.connect(home.folder / "catalogue.db")) as connection, connection:
        connection.execute(f"UPDATE chunks SET {damage} WHERE id = 1")  # noqa: S608
    rotten = open_home(home.folder)
    with pytest.raises(CatalogueDamagedError) as caught:
        rotten.texts("k")
    assert "年假" not in str(caught.value)
    assert caught.value.__suppress_context__
    integrity = Integrity(rotten.database, rotten.files)
    assert [(f.code, f.document) for f in integrity.check()] == [("document", "a.md")]
    assert integrity.rescue(tmp_path / "rescued").documents == 1
    rotten.close()
    saved = open_home(tmp_path / "rescued")
    assert saved.found("住宿标准", "k") == {"b.md"}
    saved.close()
