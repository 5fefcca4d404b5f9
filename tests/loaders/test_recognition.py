"""Every format of this kind is told by its content, whatever the file is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from loaders.base import LoadOptions
from loaders.errors import EmptyFileError, LoaderError, UnsupportedFormatError
from loaders.registry import find_loader, parse_file
from tests.loaders.office_files import workbook, zip_of
from tests.loaders.test_contract import SAMPLES
from tests.loaders.test_eml import mail
from tests.loaders.test_epub import members
from tests.loaders.test_html import PAGE, mhtml
from tests.loaders.test_pptx import presentation

PLAIN = {
    "csv": ("甲,乙\n1,2\n".encode(), ".csv"),
    "faq": ("问题,答案\n一,二\n".encode(), ".csv"),
    "json": ('[{"甲": 1}]'.encode(), ".json"),
    "rst": ("题\n==\n文\n".encode(), ".rst"),
}
SIGNED = ("xlsx", "pptx", "epub", "zip", "html", "mhtml", "eml")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("samples")
    message = mail()
    message.set_content("正文")
    presentation().save(folder / "pptx")
    workbook(folder / "xlsx", lambda book: book.active.append(["甲", 1]))
    zip_of(members(), folder / "epub")
    zip_of({"a.txt": "字"}, folder / "zip")
    (folder / "html").write_bytes(PAGE.format(charset="utf-8").encode())
    (folder / "mhtml").write_bytes(mhtml())
    (folder / "eml").write_bytes(message.as_bytes())
    for name, (data, _) in PLAIN.items():
        (folder / name).write_bytes(data)
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("kind", SIGNED)
def test_told_by_content(samples: dict[str, Path], kind: str) -> None:
    for name in ("没有扩展名", f"文件.{kind}", f"文件.{kind.upper()}"):
        assert find_loader(samples[kind], name).format == kind
    assert parse_file(samples[kind], name="没有扩展名", options=LoadOptions()).text.strip()


@pytest.mark.parametrize("kind", PLAIN)
def test_formats_without_a_signature_are_told_by_name(samples: dict[str, Path], kind: str) -> None:
    document = parse_file(samples[kind], name=f"文件{PLAIN[kind][1]}", options=LoadOptions())
    assert document.format == kind
    assert document.text.strip()


@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("name", ["文件.pdf", "文件.docx", "文件.png", "文件.exe"])
def test_a_wrong_extension_is_named(samples: dict[str, Path], kind: str, name: str) -> None:
    with pytest.raises(LoaderError) as caught:
        find_loader(samples[kind], name)
    assert caught.value.details["name"] == name


@pytest.mark.parametrize(
    "suffix", [".xlsx", ".pptx", ".csv", ".html", ".mht", ".eml", ".epub", ".zip", ".json", ".rst"]
)
def test_no_bytes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "empty"
    path.touch()
    with pytest.raises(EmptyFileError):
        find_loader(path, f"空{suffix}")


def test_packages_of_other_kinds_are_unsupported(tmp_path: Path) -> None:
    path = zip_of(
        {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": "<a/>"}, tmp_path / "a"
    )
    with pytest.raises(UnsupportedFormatError):
        find_loader(path, "文.odt")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("docx", "合同.doc"),
        ("xlsx", "名单.xls"),
        ("xlsx", "名单.csv"),
        ("pptx", "汇报.ppt"),
        ("html", "导出.xls"),
        ("html", "网页.doc"),
        ("mhtml", "网页.doc"),
        ("mhtml", "网页.html"),
    ],
)
def test_files_under_a_name_of_their_family(tmp_path: Path, kind: str, name: str) -> None:
    assert find_loader(SAMPLES[kind](tmp_path), name).format == kind


def test_text_under_the_name_of_a_program_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "stored"
    path.write_text("这是文字。", encoding="utf-8")
    with pytest.raises(UnsupportedFormatError) as caught:
        find_loader(path, "x.exe")
    assert caught.value.details["found"] == "text"


@pytest.mark.parametrize("name", ["a.rtf", "a.txt", "a.doc", "a"])
def test_rich_text_is_not_read_as_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / "stored"
    path.write_bytes(rb"{\rtf1\ansi words}")
    with pytest.raises(LoaderError):
        find_loader(path, name)
