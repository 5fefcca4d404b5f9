"""The formats that can be read, and the way from a file to a parsed document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from loaders.archive import ArchiveLoader
from loaders.assemble import assemble
from loaders.base import FaqColumns, Limits, Loader, LoadOptions
from loaders.delimited import DelimitedLoader
from loaders.document import Page, ParsedDocument
from loaders.docx import DocxLoader
from loaders.eml import EmlLoader
from loaders.epub import EpubLoader
from loaders.errors import (
    DamagedFileError,
    EmptyFileError,
    EncryptedFileError,
    LimitExceededError,
    LoaderError,
    NoTextError,
    OutOfMemoryError,
    UnsupportedFormatError,
)
from loaders.faq import FaqLoader, with_columns
from loaders.html import HtmlLoader, MhtmlLoader
from loaders.image import ImageLoader
from loaders.json_records import JsonLoader
from loaders.legacy_office import DocLoader, PptLoader, XlsLoader
from loaders.markdown import MarkdownLoader
from loaders.pdf import PdfLoader
from loaders.pptx import PptxLoader
from loaders.rst import RstLoader
from loaders.signatures import holds_encrypted_package, signature
from loaders.text import TextLoader
from loaders.xlsx import XlsxLoader

# In the order in which they are asked: formats with a signature before those that only look like
# text, the more particular before the more general, plain text last.
LOADERS: tuple[Loader, ...] = (
    PdfLoader(),
    ImageLoader(),
    DocxLoader(),
    FaqLoader(),
    XlsxLoader(),
    PptxLoader(),
    DocLoader(),
    XlsLoader(),
    PptLoader(),
    EpubLoader(),
    ArchiveLoader(),
    EmlLoader(),
    MhtmlLoader(),
    HtmlLoader(),
    DelimitedLoader(),
    JsonLoader(),
    RstLoader(),
    MarkdownLoader(),
    TextLoader(),
)

HEAD_BYTES = 8 * 1024
# What programs store under a name that is not its own: exports of business systems called .xls that hold a
# web page, files renamed to the newer or older suffix of the same program.
_ALSO_HELD: Mapping[str, tuple[str, ...]] = {
    ".doc": ("docx", "html", "mhtml"),
    ".xls": ("xlsx", "faq", "html", "mhtml"),
    ".ppt": ("pptx",),
    ".docx": ("doc",),
    ".xlsx": ("xls",),
    ".pptx": ("ppt",),
    ".csv": ("xlsx", "faq"),
    ".htm": ("mhtml",),
    ".html": ("mhtml",),
    ".mht": ("html",),
    ".mhtml": ("html",),
}
# Text under one of these names is not what the name says.
_NEVER_TEXT = re.compile(
    r"\.(exe|dll|so|dylib|msi|com|scr|class|jar|apk|iso|dmg|rar|7z|gz|bz2|xz|tar|zip|mp3|mp4|wav|avi|mov|mkv|flac"
    r"|psd|dwg|ttf|otf|woff2?|pyc|pkl|pickle|pt|bin|db|sqlite)"
)


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """A format that can be read."""

    name: str
    suffixes: tuple[str, ...]
    media_type: str


def supported_formats() -> tuple[FormatInfo, ...]:
    """All formats that can be read."""
    return tuple(FormatInfo(item.format, item.suffixes, item.media_type) for item in LOADERS)


def parse_file(path: Path, *, name: str, options: LoadOptions) -> ParsedDocument:
    """Read the file at `path`, which the user calls `name`. Raises a `LoaderError` and nothing else."""
    loader = find_loader(path, name, limits=options.limits, faq=options.faq)
    return complete(loader, list(read_pages(loader, path, name=name, options=options)), name=name)


def find_loader(
    path: Path, name: str, *, limits: Limits | None = None, faq: FaqColumns | None = None
) -> Loader:
    """The loader that reads the file, told by its content.

    Raises `EmptyFileError`, `LimitExceededError` (size), `UnsupportedFormatError`,
    `EncryptedFileError`, and `DamagedFileError` where the content is not what the name says.
    """
    head = _check_file(path, name, limits or Limits())
    suffix = PurePosixPath(name.lower()).suffix
    if signature(head) == "ole" and holds_encrypted_package(path):
        raise EncryptedFileError(f"“{name}” asks for a password.", name=name)
    found = [
        loader for loader in with_columns(LOADERS, faq or FaqColumns()) if loader.recognises(head, path, name)
    ]
    for loader in found:
        if suffix in loader.suffixes or loader.format in _ALSO_HELD.get(suffix, ()):
            return loader
    claimed = [loader.format for loader in LOADERS if suffix in loader.suffixes]
    if not found and not claimed:
        raise UnsupportedFormatError(f"No loader reads “{name}”.", name=name, format=suffix or "?")
    if not found:
        raise DamagedFileError(f"“{name}” does not hold what its name says.", name=name, format=claimed[0])
    if claimed or _NEVER_TEXT.fullmatch(suffix):
        expected, actual = claimed[0] if claimed else suffix, found[0].format
        details = {"name": name, "format": expected, "expected": expected, "found": actual}
        if claimed and signature(head) is None:
            raise DamagedFileError(f"“{name}” is named {expected} and holds {actual}.", **details)
        raise UnsupportedFormatError(f"“{name}” is named {expected} and holds {actual}.", **details)
    return found[0]


def read_pages(loader: Loader, path: Path, *, name: str, options: LoadOptions) -> Iterator[Page]:
    """The pages of a file, from `options.first_page` on. Raises a `LoaderError` and nothing else."""
    try:
        yield from loader.pages(path, options)
    except LoaderError as error:
        error.details.setdefault("name", name)
        error.details.setdefault("format", loader.format)
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"“{name}” needs more memory than there is.", name=name) from error
    except Exception as error:
        raise DamagedFileError(
            f"“{name}” cannot be read: {type(error).__name__}: {error}", name=name, format=loader.format
        ) from error


def complete(loader: Loader, pages: Sequence[Page], *, name: str) -> ParsedDocument:
    """Make the document of all its pages. Raises `NoTextError` when there is no text on them."""
    document = assemble(loader.finish(pages), format=loader.format)
    if not document.text.strip():
        raise NoTextError(
            f"No text was found in “{name}”.",
            name=name,
            format=loader.format,
            pages=document.pages,
            problems=document.problems,
        )
    return document


def _check_file(path: Path, name: str, limits: Limits) -> bytes:
    """The first bytes of a file that is neither empty nor too large."""
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise LimitExceededError(
                f"“{name}” has {size} bytes; the limit is {limits.file_bytes}.",
                name=name,
                limit="file_bytes",
                value=size,
                maximum=limits.file_bytes,
            )
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise LoaderError(f"“{name}” cannot be opened: {error.strerror}.", name=name) from error
    if not head:
        raise EmptyFileError(f"“{name}” is empty.", name=name)
    return head
