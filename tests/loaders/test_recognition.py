"""Every format of this kind is told by its content, whatever the file is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from loaders.base import LoadOptions
from loaders.errors import EmptyFileError, LoaderError, UnsupportedFormatError
from loaders.registry import find_loader, parse_file
from tests.loaders.office_files import workbook, zip_of
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
