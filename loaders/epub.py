"""E-books: the chapters in the order of the spine, under the book's title."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from loaders.base import Loader, LoadOptions
from loaders.cleaning import clean_line
from loaders.document import Block, Page, Problem
from loaders.errors import DamagedFileError, EncryptedFileError, LimitExceededError, LoaderError
from loaders.html import html_page
from loaders.package import open_package, parser_errors
from loaders.signatures import is_package

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document"})


@dataclass(frozen=True, slots=True)
class _Book:
    title: str
    chapters: tuple[str, ...]
    """Member names, in reading order."""
    labels: dict[str, str]
    """What the table of contents calls a chapter, by member name."""


class EpubLoader(Loader):
    """A page per document of the spine."""

    format = "epub"
    suffixes = (".epub",)
    media_type = "application/epub+zip"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:
        """Whether the file is a package that holds a publication."""
        return is_package(head, path, _CONTAINER, self.suffixes, name)

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the chapters; one that cannot be read has a problem instead of text."""
        # Chapters and old tables of contents may declare a document type; no parser here follows it.
        with open_package(path, options.limits, dtd=True) as archive:
            with parser_errors():
                book = _read_book(archive)
            total = len(book.chapters)
            options.check_pages(total)
            for number, member in enumerate(book.chapters, 1):
                if number < options.first_page:
                    continue
                options.check_cancelled()
                page = _chapter(archive, book, member, number, options)
                options.page_done(number, total)
                yield page


def _chapter(archive: zipfile.ZipFile, book: _Book, member: str, number: int, options: LoadOptions) -> Page:
    outer = (book.title,) if book.title else ()
    try:
        with parser_errors():
            if archive.getinfo(member).file_size > options.limits.file_bytes:
                raise LimitExceededError(
                    "It is too large.", limit="file_bytes", maximum=options.limits.file_bytes
                )
            page = html_page(archive.read(member), whole=True, title=False)
    except LoaderError as error:
        message = f"The chapter {clean_line(posixpath.basename(member))} cannot be read: {error}"[:300]
        return Page(number, (), (Problem("damaged_page", message, number),), outer)
    label = book.labels.get(member, "")
    blocks = page.blocks
    if label and blocks and not any(block.kind == "heading" for block in blocks):
        blocks = (Block(label, "heading", 1), *blocks)
    problems = tuple(replace(problem, page=number) for problem in page.problems)
    return Page(number, blocks, problems, outer)


def _read_book(archive: zipfile.ZipFile) -> _Book:
    roots = _tree(archive, _CONTAINER).xpath("//*[local-name()='rootfile']/@full-path")
    if not roots:
        raise DamagedFileError("The book names no content.")
    package = posixpath.normpath(roots[0])
    tree = _tree(archive, package)
    manifest: dict[str, tuple[str, str, str]] = {}
    for item in tree.xpath("//*[local-name()='manifest']/*[local-name()='item']"):
        member = _member(package, item.get("href", ""))
        manifest[item.get("id", "")] = (member, item.get("media-type", ""), item.get("properties", ""))
    spine = [
        node.get("idref", "") for node in tree.xpath("//*[local-name()='spine']/*[local-name()='itemref']")
    ]
    chapters = tuple(
        manifest[item][0] for item in spine if item in manifest and manifest[item][1].lower() in _PAGES
    )
    if not chapters:
        raise DamagedFileError("The book has no chapters.")
    _check_protection(archive, frozenset(chapters))
    titles = tree.xpath("//*[local-name()='metadata']/*[local-name()='title']/text()")
    contents = [
        member
        for member, kind, properties in manifest.values()
        if kind == "application/x-dtbncx+xml" or "nav" in properties.split()
    ]
    labels: dict[str, str] = {}
    for member in contents:
        for target, label in _labels(archive, member):
            labels.setdefault(target, label)
    return _Book(clean_line(titles[0]) if titles else "", chapters, labels)


def _labels(archive: zipfile.ZipFile, member: str) -> Iterator[tuple[str, str]]:
    """Targets and labels of a table of contents: a navigation document, or the older NCX."""
    try:
        tree = _tree(archive, member)
    except (KeyError, DamagedFileError):
        return
    for link in tree.xpath("//*[local-name()='nav']//*[local-name()='a'][@href]"):
        yield _member(member, link.get("href")), clean_line("".join(link.itertext()))
    for point in tree.xpath("//*[local-name()='navPoint']"):
        source = point.xpath("./*[local-name()='content']/@src")
        if source:
            words = point.xpath("./*[local-name()='navLabel']//text()")
            yield _member(member, source[0]), clean_line("".join(words))


def _check_protection(archive: zipfile.ZipFile, chapters: frozenset[str]) -> None:
    """Raise `EncryptedFileError` where chapters are encrypted; fonts often are, which does no harm."""
    if _ENCRYPTION in archive.namelist():
        uris = _tree(archive, _ENCRYPTION).xpath("//*[local-name()='CipherReference']/@URI")
        if any(posixpath.normpath(unquote(uri)) in chapters for uri in uris):
            raise EncryptedFileError("The book is protected against copying.")


def _member(base: str, href: str) -> str:
    """The member that a reference points to; looked up in the archive only."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(href.split("#")[0])))


def _tree(archive: zipfile.ZipFile, member: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    try:
        tree = etree.fromstring(archive.read(member), parser)
    except (KeyError, etree.XMLSyntaxError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DamagedFileError(f"The book's {member} cannot be read.", reason=str(error)[:200]) from error
    if tree is None:
        raise DamagedFileError(f"The book's {member} is empty.")
    return tree
