"""What becomes of bad files, as a table: what went in, what came out, in how many seconds.

    python -m tests.loaders.bad_inputs

Each goes through a worker process as in the service, and a good file after it must still be read. Some
take a while, so that this is a report and not a test; what they show is tested with smaller ones.
"""

from __future__ import annotations

import io
import random
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from loaders.errors import LoaderError
from loaders.isolation import IsolatedParser
from tests.app.bad_files import bad_files
from tests.loaders.office_files import zip_of
from tests.loaders.pdf_files import write_pdf
from tests.loaders.samples import TEXT
from tests.loaders.test_contract import SAMPLES
from tests.loaders.test_isolation import CRASH, GROW, HANG, HostileRecogniser, picture

_LAUGHS = "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdef", "bcdefg", strict=True)
)
_DTD = f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{_LAUGHS}<!ENTITY file SYSTEM "file:///etc/passwd">]>'
_XML_PARTS = {
    "docx": "word/document.xml",
    "xlsx": "xl/workbook.xml",
    "pptx": "ppt/presentation.xml",
    "epub": "c1.xhtml",
}


def _truncated(folder: Path) -> Iterator[tuple[str, Path, str]]:
    for kind, sample in sorted(SAMPLES.items()):
        path = sample(folder)
        data = path.read_bytes()
        for tenth in range(10):
            cut = folder / f"cut-{tenth}-{path.name}"
            cut.write_bytes(data[: len(data) * tenth // 10])
            yield f"{kind}, cut at ten places", cut, path.name


def _entities(folder: Path) -> Iterator[tuple[str, Path, str]]:
    for kind, part in _XML_PARTS.items():
        path = SAMPLES[kind](folder)
        out = folder / f"entities{path.suffix}"
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == part:
                    text = data.decode()
                    end = text.find("?>") + 2 if text.startswith("<?xml") else 0
                    text = text[:end] + _DTD + text[end:]
                    data = text.replace(TEXT, "&g;&file;").encode()
                new.writestr(name, data)
        yield f"{kind} with entities (a file, a billion laughs)", out, path.name
    page = f"<?xml version='1.0'?>{_DTD}<html><body><p>正文&g;&file;</p></body></html>"
    (folder / "entities.html").write_text(page, encoding="utf-8")
    yield "html with entities", folder / "entities.html", "entities.html"
    mail = f"From: a@example.com\nTo: b@example.com\nContent-Type: text/html; charset=utf-8\n\n{page}"
    (folder / "entities.eml").write_text(mail, encoding="utf-8")
    yield "eml with entities", folder / "entities.eml", "entities.eml"


def _archives(folder: Path) -> Iterator[tuple[str, Path, str]]:
    zeros = bytes(1 << 20)
    flat = folder / "flat.zip"
    with (
        zipfile.ZipFile(flat, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("a.txt", "w", force_zip64=True) as out,
    ):
        for _ in range(1024):
            out.write(zeros)
    yield "ZIP bomb, 1 GiB of zeros", flat, "flat.zip"
    inner = flat.read_bytes()
    yield "ZIP bomb in a ZIP", zip_of({"a.zip": inner, "好.txt": "好"}, folder / "nested.zip"), "nested.zip"
    deep = b"text"
    for level in range(12):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr(f"{level}.zip" if level else "a.txt", deep)
        deep = buffer.getvalue()
    (folder / "deep.zip").write_bytes(deep)
    yield "ZIP in ZIP, twelve deep", folder / "deep.zip", "deep.zip"
    (folder / "overlap.zip").write_bytes(_overlapping(20_000, bytes(4 << 20)))
    yield "ZIP of 20,000 overlapping entries", folder / "overlap.zip", "overlap.zip"
    (folder / "overlap-few.zip").write_bytes(_overlapping(1_900, bytes(4 << 20)))
    yield "ZIP of 1,900 overlapping entries", folder / "overlap-few.zip", "overlap-few.zip"


def _overlapping(count: int, data: bytes) -> bytes:
    """An archive whose directory names one packed member many times."""
    packed = zlib.compress(data, 9)[2:-4]
    sizes = struct.pack("<III", zlib.crc32(data), len(packed), len(data))
    local = (
        struct.pack("<IHHHHH", 0x04034B50, 20, 0, 8, 0, 0)
        + sizes
        + struct.pack("<HH", 5, 0)
        + b"a.txt"
        + packed
    )
    entry = struct.pack("<IHHHHHH", 0x02014B50, 20, 20, 0, 8, 0, 0) + sizes
    entry += struct.pack("<HHHHHII", 5, 0, 0, 0, 0, 0, 0) + b"a.txt"
    end = struct.pack(
        "<IHHHHIIH", 0x06054B50, 0, 0, count & 0xFFFF, count & 0xFFFF, len(entry) * count, len(local), 0
    )
    return local + entry * count + end


def _large(folder: Path) -> Iterator[tuple[str, Path, str]]:
    side = 30_000
    row = zlib.compress((b"\0" + b"\xff" * (side // 8)) * side)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", row), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    (folder / "large.png").write_bytes(png)
    yield "a picture of 30,000 x 30,000", folder / "large.png", "large.png"
    yield "a DOCX with that picture", _docx_with(folder, png), "picture.docx"
    yield (
        "a PDF of 10,000 empty pages",
        write_pdf(folder / "pages.pdf", *[lambda _: None] * 10_000),
        "pages.pdf",
    )
    yield "a PDF of 5,000 empty pages", write_pdf(folder / "half.pdf", *[lambda _: None] * 5_000), "half.pdf"
    mapped = _embedded_font(folder)
    (folder / "unmapped.pdf").write_bytes(mapped.replace(b"/ToUnicode", b"/ToNothing"))
    yield "a PDF whose font has no Unicode map", folder / "unmapped.pdf", "unmapped.pdf"
    (folder / "deep.json").write_text("[" * 100_000 + "]" * 100_000)
    yield "JSON nested 100,000 deep", folder / "deep.json", "deep.json"
    (folder / "deep.html").write_text("<div>" * 100_000 + TEXT)
    yield "HTML nested 100,000 deep", folder / "deep.html", "deep.html"
    (folder / "deep.md").write_text("> " * 50_000 + TEXT + "[" * 50_000)
    yield "Markdown nested 50,000 deep", folder / "deep.md", "deep.md"
    mixed = "姓名,部门\n张工,研发\n".encode() + "李工,财务\n".encode("gbk") * 2 + "王工,法务\n".encode()
    (folder / "mixed.csv").write_bytes(mixed)
    yield "a CSV of two encodings", folder / "mixed.csv", "mixed.csv"
    (folder / "line.csv").write_bytes("字,".encode() * (50 * 1024 * 1024 // 4))
    yield "a CSV of one line of 50 MB", folder / "line.csv", "line.csv"
    (folder / "quote.csv").write_bytes(b'a,b\n"' + "字,词\n".encode() * (20 * 1024 * 1024 // 8))
    yield "a CSV of 20 MB in one open quotation", folder / "quote.csv", "quote.csv"
    (folder / "noise.txt").write_bytes(random.Random(1).randbytes(1 << 20))  # noqa: S311
    yield "noise", folder / "noise.txt", "noise.txt"
    for width, what in ((CRASH, "a page that crashes the reader"), (HANG, "a page that never ends")):
        yield what, picture(folder, width), "page.tif"
    yield "a page that takes all memory", picture(folder, GROW), "page.tif"


def _embedded_font(folder: Path) -> bytes:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))  # comes with reportlab
    canvas = Canvas(str(folder / "mapped.pdf"), pageCompression=0)
    canvas.setFont("Vera", 12)
    canvas.drawString(72, 700, "The allowance for a night is four hundred yuan.")
    canvas.save()
    return (folder / "mapped.pdf").read_bytes()


def _docx_with(folder: Path, png: bytes) -> Path:
    import docx

    document = docx.Document()
    document.add_paragraph(TEXT).add_run().add_picture(io.BytesIO(SAMPLES["image"](folder).read_bytes()))
    document.save(str(folder / "small.docx"))
    with zipfile.ZipFile(folder / "small.docx") as old:
        members: dict[str, bytes | str] = {
            name: png if name.startswith("word/media/") else old.read(name) for name in old.namelist()
        }
    return zip_of(members, folder / "picture.docx")


def _refused(folder: Path) -> Iterator[tuple[str, Path, str]]:
    for name, (data, _, _) in bad_files().items():
        (folder / name).write_bytes(data)
        yield name, folder / name, name
    (folder / "locked.docx").write_bytes(
        bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(64)
    )
    yield "a DOCX under a password (OLE)", folder / "locked.docx", "locked.docx"
    packed = bytearray(zip_of({"密.txt": "字"}, folder / "locked.zip").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + offset] |= 1
    (folder / "locked.zip").write_bytes(packed)
    yield "a ZIP under a password", folder / "locked.zip", "locked.zip"
    (folder / "text.exe").write_text(TEXT, encoding="utf-8")
    yield "text called .exe", folder / "text.exe", "text.exe"


def _outcome(parser: IsolatedParser, path: Path, name: str) -> str:
    try:
        document = parser.parse(path, name=name)
    except LoaderError as error:
        limit = f" {error.details['limit']}" if "limit" in error.details else ""
        return f"`{error.code}`{limit}"
    codes = Counter(
        problem.code + (f"/{problem.details['cause']}" if "cause" in problem.details else "")
        for problem in document.problems
    )
    told = ", ".join(f"{count} × `{code}`" for code, count in codes.items())
    return f"{len(document.text)} characters" + (f", {told}" if told else "")


def rows(folder: Path, *, page_seconds: float = 20) -> Iterator[tuple[str, str, float]]:
    """What went in, what came out, and the seconds that the slowest took."""
    good = folder / "good.txt"
    good.write_text(TEXT, encoding="utf-8")
    results: dict[str, tuple[Counter[str], float]] = {}
    sources: tuple[Callable[[Path], Iterator[tuple[str, Path, str]]], ...] = (
        _truncated, _refused, _entities, _archives, _large,
    )  # fmt: skip
    with IsolatedParser(HostileRecogniser, memory_bytes=3 << 30, page_seconds=page_seconds) as parser:
        parser.parse(good, name="good.txt")
        for source in sources:
            for what, path, name in source(folder):
                start = time.monotonic()
                outcome = _outcome(parser, path, name)
                seconds = time.monotonic() - start
                counts, slowest = results.setdefault(what, (Counter(), 0.0))
                counts[outcome] += 1
                results[what] = (counts, max(slowest, seconds))
                if parser.parse(good, name="good.txt").text != TEXT:
                    raise RuntimeError(f"after {what} a good file is not read")
    for what, (counts, slowest) in results.items():
        told = "; ".join(f"{count} × {text}" if count > 1 else text for text, count in counts.items())
        yield what, told, slowest


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for what, outcome, seconds in rows(Path(place)):
            sys.stdout.write(f"| {what} | {outcome} | {seconds:.1f} |\n")
            sys.stdout.flush()
