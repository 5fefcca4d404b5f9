"""Feeds damaged samples of every format to the loaders, for as long as it is told.

    python -m tests.loaders.fuzz --seconds 600 --seed 1 --findings /tmp/findings [--isolated] [--format docx]

A finding is a file that breaks a promise: another error than a `LoaderError`, too long a time, a
document whose parts do not fit together, or an exception out of our own code that was only caught at
the last moment. Its bytes are kept, once for each place, to be made a test of its loader.
"""

from __future__ import annotations

import argparse
import io
import random
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from loaders.base import Limits, LoadOptions
from loaders.document import ParsedDocument
from loaders.errors import LoaderError
from loaders.isolation import IsolatedParser
from loaders.registry import parse_file
from loaders.splitter import ChineseTextSplitter
from tests.loaders.pdf_files import FakeOcr, fake_line
from tests.loaders.test_contract import SAMPLES

_HANG_SECONDS = 20
PACKAGES = (".docx", ".xlsx", ".pptx", ".epub", ".zip")
_LIMITS = Limits(pages=200, table_rows=5_000, picture_pixels=4_000_000)
OPTIONS = LoadOptions(ocr=FakeOcr([fake_line("测试文字", 10, 10, 200, 40)]), limits=_LIMITS)
_TOKENS = (
    b"", b"\x00", b"\xff" * 8, b"<", b">", b"&#x110000;", b"&lt;", b"]]>", b"<![CDATA[", b'"', b"'", b"-1",
    b"0", b"1e999", b"99999999999999999999", b"NaN", "\u202e".encode(), "\ufeff".encode(), b"\r", b"\n\n",
    b"\xd6\xd0", b"{" * 50, b"[" * 50, b"#", b"|", b"```", b"=====\n", b"%PDF-", b"PK\x03\x04", b"\x1b[0m",
)  # fmt: skip
_CHUNK_CHARACTERS = 200


class HangError(Exception):
    """A file took longer than the fuzzer waits."""


class BrokenDocumentError(Exception):
    """A document whose parts do not fit together."""


def mutate(data: bytes, noise: random.Random) -> bytes:
    """The bytes with one to four places damaged."""
    out = bytearray(data)
    for _ in range(noise.randint(1, 4)):
        at = noise.randrange(len(out) + 1)
        length = min(len(out) - at, noise.choice((1, 2, 8, 64, 512)))
        other = noise.randrange(len(out) + 1)
        kind = noise.randrange(7)
        if kind == 0 and length:
            out[at] = noise.randrange(256)
        elif kind == 1:
            del out[at : at + length]
        elif kind == 2:
            out[at:at] = out[other : other + length]
        elif kind == 3:
            out[at : at + length] = noise.choice(_TOKENS)
        elif kind == 4:
            out[at:at] = noise.choice(_TOKENS) * noise.choice((1, 1, 3, 400))
        elif kind == 5:
            del out[noise.randrange(len(out) + 1) :]
        else:
            _swap_tags(out, noise)
    return bytes(out)


def _swap_tags(out: bytearray, noise: random.Random) -> None:
    """Put one tag of a text of tags in the place of another."""
    starts = [index for index, byte in enumerate(out[:200_000]) if byte == 0x3C]
    if len(starts) < 2:
        return
    first, second = noise.choice(starts), noise.choice(starts)
    tag = bytes(out[first : out.find(b">", first) + 1 or None])[:300]
    out[second:second] = tag * noise.choice((1, 1, 1, 200))


def mutate_package(data: bytes, noise: random.Random) -> bytes:
    """A ZIP package with one member damaged inside, so that its checksums are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = noise.choice(names)
        gone = noise.random() < 0.1
        for name in names:
            if name == chosen and gone:
                continue
            content = old.read(name)
            new.writestr(name, mutate(content, noise) if name == chosen else content)
    return out.getvalue()


def check(document: ParsedDocument) -> None:
    """Raise `BrokenDocumentError` unless the parts of a document fit together."""
    document.text.encode()
    for section in document.sections:
        if document.text[section.start : section.end] != section.block.text:
            raise BrokenDocumentError(f"section {section.start}:{section.end} is not its block")
        for line in section.block.lines:
            box = line.box
            if not 0 <= line.start < line.end <= len(section.block.text):
                raise BrokenDocumentError(f"line {line} lies outside its block")
            if not (-0.01 <= box.x0 <= box.x1 <= 1.01 and -0.01 <= box.y0 <= box.y1 <= 1.01):
                raise BrokenDocumentError(f"box {box} lies outside its page")
    for chunk in ChineseTextSplitter(chunk_size=_CHUNK_CHARACTERS, overlap=40).split(document):
        if document.text[chunk.start : chunk.end] != chunk.text or len(chunk.text) > _CHUNK_CHARACTERS:
            raise BrokenDocumentError(f"chunk {chunk.start}:{chunk.end} is not its text or too long")


def judge(parse: Callable[[], ParsedDocument]) -> str | None:
    """None when the promises hold, else what was broken and where."""
    try:
        check(parse())
    except LoaderError as error:
        cause = error.__cause__
        # An exception that only the registry's safety net has caught.
        if cause is None or "“" not in str(error) or isinstance(cause, LoaderError | OSError):
            return None
        return _place(cause, "caught late")
    except Exception as error:
        return _place(error, "broken")
    return None


def _place(error: BaseException, kind: str) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/loaders/" in frame.filename] or frames
    last = own[-1]
    return f"{kind} {type(error).__name__} {Path(last.filename).name}:{last.lineno} {error}"[:200]


def _alarm(_: int, __: FrameType | None) -> None:
    raise HangError(f"longer than {_HANG_SECONDS} s")


def run(arguments: Sequence[str] | None = None) -> int:
    """Fuzz until the time is over; returns the number of findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, required=True)
    parser.add_argument("--isolated", action="store_true", help="in worker processes, as the service does")
    parser.add_argument("--format", choices=sorted(SAMPLES), action="append")
    options = parser.parse_args(arguments)
    options.findings.mkdir(parents=True, exist_ok=True)
    noise = random.Random(options.seed)  # noqa: S311 - the same noise each time
    signal.signal(signal.SIGALRM, _alarm)
    seen: set[str] = set()
    tried = 0
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, IsolatedParser(page_seconds=_HANG_SECONDS) as isolated:
        samples = {name: SAMPLES[name](Path(folder)) for name in options.format or sorted(SAMPLES)}
        originals = {name: path.read_bytes() for name, path in samples.items()}
        case = Path(folder) / "case"
        while time.monotonic() - start < options.seconds:
            name = noise.choice(sorted(samples))
            data, suffix = originals[name], samples[name].suffix
            packed = suffix in PACKAGES and noise.random() < 0.85
            data = mutate_package(data, noise) if packed else mutate(data, noise)
            case.write_bytes(data)
            (options.findings / "current").write_bytes(data)  # what is left when this process crashes
            called = samples[name].name
            signal.alarm(0 if options.isolated else _HANG_SECONDS)
            if options.isolated:
                found = judge(lambda called=called: isolated.parse(case, name=called, limits=_LIMITS))  # type: ignore[misc]
            else:
                found = judge(lambda called=called: parse_file(case, name=called, options=OPTIONS))  # type: ignore[misc]
            signal.alarm(0)
            tried += 1
            key = f"{name} {found.split(':')[0] + found.split(':')[1].split()[0]}" if found else ""
            if found and key not in seen:
                seen.add(key)
                kept = options.findings / f"{options.seed}-{len(seen)}-{name}{suffix}"
                kept.write_bytes(data)
                print(f"{kept.name}: {found}", flush=True)  # noqa: T201
    print(f"{tried} files in {time.monotonic() - start:.0f} s, {len(seen)} findings", flush=True)  # noqa: T201
    return len(seen)


if __name__ == "__main__":
    sys.exit(min(1, run()))
