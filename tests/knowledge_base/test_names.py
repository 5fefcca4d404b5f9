from __future__ import annotations

from collections.abc import Callable

import pytest

from knowledge_base.errors import InvalidNameError, KnowledgeBaseExistsError, KnowledgeBaseNotFoundError
from knowledge_base.names import document_name, knowledge_base_name, repeated
from tests.knowledge_base.doubles import Home

NAMES = [
    "中文-a_b%",
    "axb",
    "a_b",
    "a%",
    "👩‍💻 手册 🚀",
    "库" * 200,
    "'; DROP TABLE chunks; --",
    "..a",
    "C:",
    "~",
]


@pytest.mark.slow
def test_names_are_data_and_never_touch_a_neighbour(home: Home) -> None:
    for number, name in enumerate(NAMES):
        home.add(name, {"同名.md": f"第{number}号知识库的内容。"})
    assert {info.name for info in home.catalogue.knowledge_bases()} == set(NAMES)
    assert all(info.documents == 1 for info in home.catalogue.knowledge_bases())

    for gone in ("a_b", "中文-a_b%", "a%"):
        key, _ = home.catalogue.delete(gone)
        home.indexes.drop(key.id)
    left = [name for name in NAMES if name not in {"a_b", "中文-a_b%", "a%"}]
    assert {info.name for info in home.catalogue.knowledge_bases()} == set(left)
    for name in left:
        number = NAMES.index(name)
        assert [hit.text for hit in home.search("知识库的内容", name)] == [f"第{number}号知识库的内容。"]


def test_document_names_are_data(home: Home) -> None:
    names = ["a_b.md", "axb.md", "100%.md", "制度/人事/请假.md", "👍🏽.md", "文" * 397 + ".md"]
    home.add("k", {name: f"这是{number}号文件。" for number, name in enumerate(names)})
    documents = {info.name: info.id for info in home.catalogue.documents(home.key("k").id)}
    assert set(documents) == set(names)
    home.delete("k", documents["a_b.md"])
    assert home.found("这是1号文件", "k") == {"axb.md"}
    assert home.found("这是0号文件", "k") == set()
    # Nothing on the disk is called as the user called it.
    stored = [path.name for path in home.folder.rglob("*") if path.is_file()]
    assert not [name for name in stored if name.endswith(".md")]


@pytest.mark.parametrize("check", [knowledge_base_name, document_name])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("a\x00b", "control"),
        ("a\nb", "control"),
        ("a\x7fb", "control"),
        ("\ud800", "control"),
        ("abc\u202egpj.exe", "control"),
        ("abc\u2066fdp.exe", "control"),
        ("a\u2028b", "control"),
        ("制\u200b度", "control"),
        ("制度\u2060", "control"),
        ("\ufeff制度", "control"),
        ("制\u200d度", "control"),
        ("\u200d", "control"),
        ("a\u200eb", "control"),
        ("a\u061cb", "control"),
        ("a\u00adb", "control"),
        ("a\u3164b", "control"),
    ],
)
def test_unusable_names_are_refused(check: Callable[[str], str], name: str, reason: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        check(name)
    assert caught.value.details["reason"] == reason


def test_joined_emoji_and_variants_are_names() -> None:
    for name in ("👩‍👩‍👧‍👦 家庭", "❤️‍🔥.md", "👍🏽", "葛\U000e0100"):
        assert document_name(name) == name


def test_repeated_names_are_those_of_one_spelling() -> None:
    assert repeated(["a.md", " a.md", "b.md", "caf\u00e9", "cafe\u0301", "A.md"]) == ["a.md", "caf\u00e9"]


def test_lengths() -> None:
    assert knowledge_base_name("库" * 200) == "库" * 200
    assert document_name("文" * 400) == "文" * 400
    for check, name in ((knowledge_base_name, "库" * 201), (document_name, "文" * 401)):
        with pytest.raises(InvalidNameError) as caught:
            check(name)
        assert caught.value.details["reason"] == "length"


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", ".", "..", "/", "/etc/passwd"])
def test_a_knowledge_base_is_no_path(name: str, home: Home) -> None:
    with pytest.raises(InvalidNameError):
        home.catalogue.create(name)
    assert home.catalogue.knowledge_bases() == []


@pytest.mark.parametrize("name", ["../x", "a/../b", "/etc/passwd", "a//b", "a\\b", "..", "a/", "./a"])
def test_a_document_is_no_path_outside(name: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        document_name(name)
    assert caught.value.details["reason"] == "path"


def test_a_folder_is_part_of_a_documents_name() -> None:
    assert document_name(" 人事/请假 办法.docx ") == "人事/请假 办法.docx"


def test_one_spelling_is_stored_and_every_spelling_is_found(home: Home) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert home.catalogue.create(f" {decomposed} ").name == composed
    with pytest.raises(KnowledgeBaseExistsError):
        home.catalogue.create(composed)
    assert home.key(decomposed).name == composed
    assert home.key(f"{composed} ").name == composed
    assert home.catalogue.knowledge_base(decomposed).name == composed
    assert home.catalogue.update(decomposed, description="两种写法") == composed


@pytest.mark.parametrize("name", ["", "没有", "../x", "\ud800", "a\x00", "%", "_"])
def test_a_name_that_is_not_there_is_not_found(name: str, home: Home) -> None:
    for there in ("x", "?"):
        home.catalogue.create(there)
    with pytest.raises(KnowledgeBaseNotFoundError):
        home.key(name)
    with pytest.raises(KnowledgeBaseNotFoundError):
        home.catalogue.knowledge_base(name)


def test_renaming_keeps_everything_but_the_name(home: Home) -> None:
    home.add("旧名", {"a.md": "年假共有十五天。"})
    home.catalogue.create("别的")
    with pytest.raises(KnowledgeBaseExistsError):
        home.catalogue.update("旧名", new_name="别的")
    assert home.catalogue.update("旧名", new_name="新名", description="人事") == "新名"
    with pytest.raises(KnowledgeBaseNotFoundError):
        home.key("旧名")
    (hit,) = home.search("年假共有十五天", "新名")
    assert (hit.knowledge_base, hit.document) == ("新名", "a.md")
    assert home.catalogue.knowledge_base("新名").description == "人事"
