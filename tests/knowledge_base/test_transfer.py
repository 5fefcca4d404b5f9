"""Export and import: what comes back is what went out, and nothing by halves."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge_base.errors import (
    DiskFullError,
    InvalidNameError,
    KnowledgeBaseExistsError,
    KnowledgeBaseNotFoundError,
)
from knowledge_base.exporting import Exporter
from knowledge_base.importing import Importer
from loaders.errors import LoadingCancelledError
from tests.knowledge_base.doubles import BigramEmbedder, Home, open_home, sections

pytestmark = pytest.mark.slow

QUESTIONS = [
    "年假",
    "报销",
    "出差",
    "网关",
    "密码",
    "考勤",
    "加班",
    "合同",
    "采购",
    "培训",
    "年假有几天",
    "报销要什么票据",
    "出差怎么申请",
    "网关如何复位",
    "密码多久更换",
    "迟到怎么算",
    "加班费怎么算",
    "合同谁来签",
    "采购找谁审批",
    "培训在哪里报名",
]

TEXTS = {
    "中文-a_b%.md": sections(
        "年假每年十天，须提前三天申请。", "报销须附发票，三十天内提交。", "出差由部门经理批准。"
    ),
    "folder/手册.md": sections(
        "网关断电后按复位键五秒。", "密码每九十天更换一次。", "考勤以打卡为准，迟到扣分。"
    ),
    "😀.txt": "加班费按一点五倍计算。合同由法务签署。采购由财务审批。培训在人事处报名。",
}


def exporter(home: Home) -> Exporter:
    return Exporter(home.catalogue, home.files, swept=home.sweep)


def importer(home: Home) -> Importer:
    def delete(name: str) -> None:
        key, digests = home.catalogue.delete(name)
        home.indexes.drop(key.id)
        home.sweep(digests)

    return Importer(
        home.catalogue,
        home.files,
        home.ingestor,
        locks=home.folder / "runners",
        delete=delete,
        swept=home.sweep,
    )


@pytest.fixture
def filled(home: Home) -> Home:
    """The texts, with edits by hand, two names and two versions."""
    home.add("制度", TEXTS)
    home.add("制度", {"又名.txt": TEXTS["😀.txt"]})
    home.add("制度", {"中文-a_b%.md": TEXTS["中文-a_b%.md"] + "\n\n# 第四节\n\n年假可以结转。"})
    first, second = (
        next(info for info in home.catalogue.documents(home.key("制度").id) if info.name == name)
        for name in ("中文-a_b%.md", "folder/手册.md")
    )
    chunks = home.editor.chunks("制度", first.id)
    home.editor.change("制度", first.id, chunks[0].id, text="年假每年十二天，人工修订。")
    home.editor.change("制度", first.id, chunks[1].id, enabled=False)
    home.editor.delete("制度", second.id, home.editor.chunks("制度", second.id)[2].id)
    home.editor.add("制度", second.id, "人工添加：培训费由公司承担。")
    return home


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Home]:
    """Another machine."""
    opened = open_home(tmp_path / "other")
    yield opened
    opened.close()


def state(home: Home, name: str, *, ids: bool = True) -> list[object]:
    """All that a knowledge base holds, but the ids of its chunks."""
    key = home.key(name)
    found: list[object] = []
    for info in home.catalogue.documents(key.id):
        found.append(info if ids else info.name)
        found.append(home.lifecycle.versions(name, info.id))
        found += [(c.chunk, c.enabled, c.edited) for c in home.editor.chunks(name, info.id)]
        found += [
            (edit.kind, edit.text, edit.enabled, edit.original, edit.occurrence, edit.conflict)
            for edit in home.editor.edits(name, info.id)
        ]
        found.append(home.files.path(home.catalogue.stored_sha256(key.id, info.id)).read_bytes())
    return found


def hits(home: Home, name: str) -> list[list[tuple[object, ...]]]:
    return [
        [
            (hit.document_id, hit.text, hit.score, hit.dense_score, hit.keyword_score)
            for hit in home.search(question, name, top_k=10)
        ]
        for question in QUESTIONS
    ]


def test_what_comes_in_is_what_went_out(filled: Home, other: Home, tmp_path: Path) -> None:
    file = tmp_path / "制度.zhiwen"
    made = exporter(filled).export("制度", file)
    assert (made.documents, made.files, made.size) == (3, 3, file.stat().st_size)
    taken = importer(other).import_package(file)
    assert (taken.name, taken.documents, taken.chunks) == ("制度", 3, made.chunks)
    assert (taken.embedded, taken.renamed, other.embedder.embedded) == (0, {}, [])
    assert state(other, "制度") == state(filled, "制度")
    filled.indexes.drop(filled.key("制度").id)  # its word counts still hold what was replaced
    assert hits(other, "制度") == hits(filled, "制度")
    assert len(hits(other, "制度")[0]) >= 5
    (here,), (there,) = (home.catalogue.knowledge_bases() for home in (filled, other))
    assert there == here


def test_files_taken_in_are_known_and_edits_survive_reading_them_again(
    filled: Home, other: Home, tmp_path: Path
) -> None:
    exporter(filled).export("制度", tmp_path / "x")
    importer(other).import_package(tmp_path / "x")
    before = state(other, "制度")
    (again,) = other.add("制度", {"folder/手册.md": TEXTS["folder/手册.md"]})
    assert (again.state, other.embedder.embedded) == ("unchanged", [])
    other.rebuilder.rebuild(other.key("制度"))
    assert [item for item in state(other, "制度") if isinstance(item, tuple)] == [
        item for item in before if isinstance(item, tuple)
    ]


def test_another_embedder_embeds_anew_and_reads_nothing(filled: Home, tmp_path: Path) -> None:
    made = exporter(filled).export("制度", tmp_path / "x")
    other = open_home(tmp_path / "other", embedder=BigramEmbedder(name="others", dimension=32))

    def never(name: str) -> None:
        raise AssertionError(f"{name} was read")

    other.parser.before = never
    told: list[tuple[str, int, int]] = []
    taken = importer(other).import_package(tmp_path / "x", progress=lambda *at: told.append(at))
    assert taken.embedded == made.chunks == len(other.embedder.embedded)
    total = made.documents + made.chunks
    assert told[-1] == ("chunks", total, total)
    assert state(other, "制度") == state(filled, "制度")
    assert other.found("人工修订", "制度") == {"中文-a_b%.md"}
    other.close()


def test_a_name_that_is_taken_is_refused_and_another_can_be_given(filled: Home, tmp_path: Path) -> None:
    exporter(filled).export("制度", tmp_path / "x")
    with pytest.raises(KnowledgeBaseExistsError):
        importer(filled).import_package(tmp_path / "x")
    before = state(filled, "制度")
    taken = importer(filled).import_package(tmp_path / "x", name="制度 2")
    assert len(taken.renamed) == 3  # the ids are another's here
    assert {info.id for info in filled.catalogue.documents(filled.key("制度 2").id)} == set(
        taken.renamed.values()
    )
    assert state(filled, "制度") == before
    assert [i for i in state(filled, "制度 2", ids=False) if isinstance(i, tuple)] == [
        i for i in before if isinstance(i, tuple)
    ]
    assert filled.found("人工修订", "制度 2") == {"中文-a_b%.md"}


def test_a_prompt_that_is_refused_lets_nothing_in(home: Home, other: Home, tmp_path: Path) -> None:
    home.catalogue.ensure("k")
    home.catalogue.update("k", prompt="照 {passages} 回答。")
    exporter(home).export("k", tmp_path / "k.zhiwen")

    def check(prompt: str) -> None:
        raise InvalidNameError(prompt)  # whatever is raised

    strict = importer(other)
    strict._check_prompt = check
    with pytest.raises(InvalidNameError, match="照"):
        strict.import_package(tmp_path / "k.zhiwen")
    assert other.catalogue.keys() == []
    importer(other).import_package(tmp_path / "k.zhiwen")
    assert other.catalogue.prompts(["k"]) == {"k": "照 {passages} 回答。"}


def test_an_empty_knowledge_base_goes_too(home: Home, other: Home, tmp_path: Path) -> None:
    home.catalogue.create("空", "说明")
    assert exporter(home).export("空", tmp_path / "x").documents == 0
    importer(other).import_package(tmp_path / "x")
    assert other.catalogue.knowledge_base("空").description == "说明"
    assert other.add("空", {"a.txt": "可以再添加文档。"})[0].state == "ready"


def test_exporting_sees_one_moment_whatever_happens_meanwhile(
    filled: Home, other: Home, tmp_path: Path
) -> None:
    before = state(filled, "制度")
    changed = False

    def change(stage: str, _done: int, _total: int) -> None:
        nonlocal changed
        if not changed:
            changed = True
            for info in filled.catalogue.documents(filled.key("制度").id):
                filled.delete("制度", info.id)
            filled.add("制度", {"new.txt": "导出期间新增。"})

    exporter(filled).export("制度", tmp_path / "x", progress=change)
    importer(other).import_package(tmp_path / "x")
    assert changed
    assert state(other, "制度") == before
    kept = [path for path in (filled.folder / "files").rglob("*") if path.is_file()]
    assert len(kept) == 1


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("stage", ["chunks", "vectors", "files"])
def test_a_cancelled_export_leaves_nothing(filled: Home, tmp_path: Path, stage: str) -> None:
    stop = threading.Event()
    (tmp_path / "out").mkdir()
    before = below(filled.folder)
    with pytest.raises(LoadingCancelledError):
        exporter(filled).export(
            "制度",
            tmp_path / "out" / "x",
            progress=lambda at, _done, _total: stop.set() if at == stage else None,
            cancelled=stop.is_set,
        )
    assert (list((tmp_path / "out").iterdir()), below(filled.folder)) == ([], before)


def test_an_export_on_a_full_disk_leaves_nothing_and_keeps_what_was_there(
    filled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out" / "x"
    target.parent.mkdir()
    target.write_bytes(b"earlier")
    monkeypatch.setattr("knowledge_base.package_files.HashingWriter.write", full)
    with pytest.raises(DiskFullError):
        exporter(filled).export("制度", target)
    assert {path.name: path.read_bytes() for path in target.parent.iterdir()} == {"x": b"earlier"}


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_export_of_what_is_not_there_writes_nothing(home: Home, tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseNotFoundError):
        exporter(home).export("无", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("stage", ["check", "files", "chunks"])
def test_a_cancelled_import_leaves_nothing(filled: Home, other: Home, tmp_path: Path, stage: str) -> None:
    exporter(filled).export("制度", tmp_path / "x")
    assert nothing_remains(other, tmp_path / "x", LoadingCancelledError, stage)


def nothing_remains(home: Home, package: Path, error: type[Exception], stage: str) -> bool:
    """Cancel an import in a stage; whether it left anything."""
    stop = threading.Event()
    with pytest.raises(error):
        importer(home).import_package(
            package,
            progress=lambda at, _done, _total: stop.set() if at == stage else None,
            cancelled=stop.is_set,
        )
    return not home.catalogue.keys() and not any(
        path for path in (home.folder / "files").rglob("*") if path.is_file()
    )


def test_an_import_on_a_full_disk_leaves_nothing(
    filled: Home, other: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter(filled).export("制度", tmp_path / "x")
    monkeypatch.setattr("knowledge_base.files.os.fsync", full)
    with pytest.raises(DiskFullError):
        importer(other).import_package(tmp_path / "x")
    assert other.catalogue.keys() == []


def test_what_a_killed_import_left_is_never_seen_and_goes(
    filled: Home, other: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter(filled).export("制度", tmp_path / "x")

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Importer, "_publish", kill)
        patch.setattr(Importer, "_discard", lambda *_: None)
        with pytest.raises(Killed):
            importer(other).import_package(tmp_path / "x")
    assert len(other.catalogue.keys()) == 1
    assert other.catalogue.knowledge_bases() == []
    assert importer(other).clear_left() == 1
    assert other.catalogue.keys() == []
    assert [path for path in (other.folder / "files").rglob("*") if path.is_file()] == []
    assert importer(other).import_package(tmp_path / "x").renamed == {}


def test_an_import_under_way_is_left_alone_by_another(filled: Home, other: Home, tmp_path: Path) -> None:
    exporter(filled).export("制度", tmp_path / "x")
    second: list[str] = []

    def again(stage: str, _done: int, _total: int) -> None:
        if stage == "chunks" and not second:
            second.append("")
            second.append(importer(other).import_package(tmp_path / "x", name="二").name)

    importer(other).import_package(tmp_path / "x", progress=again)
    assert second[1] == "二"
    assert [info.chunks for info in other.catalogue.knowledge_bases()] == [8, 8]
