from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.document import Block
from loaders.epub import EpubLoader
from loaders.errors import DamagedFileError, EncryptedFileError
from tests.loaders.office_files import assert_survives, load, recognised, texts, truncations, zip_of

LOADER = EpubLoader()
CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles>'
    "</container>"
)
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>红楼梦</dc:title></metadata>
<manifest>
<item id="two" href="text/%E4%BA%8C.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="lost" href="text/lost.xhtml" media-type="application/xhtml+xml"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="css" href="a.css" media-type="text/css"/>
</manifest>
<spine toc="ncx"><itemref idref="one"/><itemref idref="two"/><itemref idref="lost"/></spine></package>
"""
NCX = """<?xml version="1.0"?>
<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>第二回</text></navLabel>
<content src="text/%E4%BA%8C.xhtml#a"/></navPoint></navMap></ncx>"""
ONE = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">
<head><title>红楼梦</title></head><body><h2>第一回</h2><p>甄士隐梦幻识通灵</p></body></html>"""
TWO = "<html><body><p>贾夫人仙逝扬州城</p></body></html>"


def members() -> dict[str, bytes | str]:
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": PACKAGE,
        "OEBPS/toc.ncx": NCX,
        "OEBPS/text/one.xhtml": ONE,
        "OEBPS/text/二.xhtml": TWO,
    }


def test_reads_chapters_in_the_order_of_the_spine(tmp_path: Path) -> None:
    path = zip_of(members(), tmp_path / "a.bin")
    assert recognised(LOADER, path)
    one, two, lost = load(LOADER, path)
    assert one.blocks == (Block("第一回", "heading", 2), Block("甄士隐梦幻识通灵"))
    assert two.blocks == (Block("第二回", "heading", 1), Block("贾夫人仙逝扬州城"))
    assert [page.heading_path for page in (one, two, lost)] == [("红楼梦",)] * 3
    assert [page.number for page in (one, two, lost)] == [1, 2, 3]
    assert [(problem.code, problem.page) for problem in lost.problems] == [("damaged_page", 3)]


def test_resumes_at_a_chapter(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = zip_of(members(), tmp_path / "a.epub")
    pages = load(LOADER, path, first_page=2, progress=lambda *at: seen.append(at))
    assert [page.number for page in pages] == [2, 3]
    assert seen == [(2, 3), (3, 3)]


def test_navigation_of_the_newer_kind(tmp_path: Path) -> None:
    parts = members()
    del parts["OEBPS/toc.ncx"]
    parts["OEBPS/nav.xhtml"] = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><nav><ol>'
        '<li><a href="text/二.xhtml">第 二 回</a></li></ol></nav></html>'
    )
    parts["OEBPS/content.opf"] = PACKAGE.replace(
        '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>',
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>',
    )
    pages = load(LOADER, zip_of(parts, tmp_path / "a.epub"))
    assert pages[1].blocks[0] == Block("第 二 回", "heading", 1)


def test_a_protected_book_is_encrypted_and_protected_fonts_are_not(tmp_path: Path) -> None:
    template = (
        '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:CipherData><e:CipherReference URI="{}"/>'
        "</e:CipherData></encryption>"
    )
    parts = members()
    parts["META-INF/encryption.xml"] = template.format("OEBPS/font.otf")
    assert len(load(LOADER, zip_of(parts, tmp_path / "a.epub"))) == 3
    parts["META-INF/encryption.xml"] = template.format("OEBPS/text/one.xhtml")
    with pytest.raises(EncryptedFileError):
        load(LOADER, zip_of(parts, tmp_path / "b.epub"))


def test_entities_and_outer_paths_are_dead(tmp_path: Path) -> None:
    (tmp_path / "secret.xhtml").write_text("<p>secret</p>")
    parts = members()
    parts["OEBPS/content.opf"] = PACKAGE.replace(
        '<?xml version="1.0"?>',
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">'
        '<!ENTITY s SYSTEM "secret.xhtml">]>',
    ).replace("红楼梦", "红楼梦&b;&s;").replace("text/lost.xhtml", "../../../secret.xhtml")  # fmt: skip
    pages = load(LOADER, zip_of(parts, tmp_path / "a.epub"))
    assert pages[0].heading_path == ("红楼梦",)
    assert "secret" not in "".join(texts(pages))


@pytest.mark.parametrize("missing", ["OEBPS/content.opf", "OEBPS/text/one.xhtml"])
def test_missing_parts(tmp_path: Path, missing: str) -> None:
    parts = members()
    del parts[missing]
    path = zip_of(parts, tmp_path / "a.epub")
    if missing.endswith(".opf"):
        with pytest.raises(DamagedFileError):
            load(LOADER, path)
    else:
        assert [bool(page.problems) for page in load(LOADER, path)] == [True, False, True]


def test_cut_short_anywhere_is_damaged(tmp_path: Path) -> None:
    data = zip_of(members(), tmp_path / "a.epub").read_bytes()
    for part in truncations(data):
        path = tmp_path / "b.epub"
        path.write_bytes(part)
        with pytest.raises(DamagedFileError):
            load(LOADER, path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_survive(tmp_path: Path, data: st.DataObject) -> None:
    parts = members()
    name = data.draw(st.sampled_from(sorted(parts)[1:]))
    raw = str(parts[name]).encode()
    cut = data.draw(st.integers(0, len(raw)))
    parts[name] = raw[:cut] + data.draw(st.binary(max_size=10)) + raw[cut + data.draw(st.integers(0, 20)) :]
    assert_survives(LOADER, zip_of(parts, tmp_path / "x").read_bytes(), tmp_path, "a.epub")
