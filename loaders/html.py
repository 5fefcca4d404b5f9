"""Web pages, and pages that a browser saved with their pictures (MHTML)."""

from __future__ import annotations

import base64
import codecs
import email
import email.message
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path

from loaders.base import Loader, LoadOptions
from loaders.document import Block, Page, Problem
from loaders.encodings import decode, encoding_problems, is_text
from loaders.errors import DamagedFileError, UnsupportedFormatError
from loaders.html_blocks import bare_text, html_blocks, parse_html
from loaders.package import parser_errors
from loaders.signatures import signature

_TAGS = re.compile(rb"<(!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_SOME_TAG = re.compile(rb"</?(p|div|table|h[1-6]|span|a|ul|br|meta|title|script)\b[^<>]*>", re.IGNORECASE)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w:.-]{2,30})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w:.-]{2,30})["']""")
_CHARSET_WITHIN = 4096
MIME_START = re.compile(rb"\A(?:[\w-]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)+", re.MULTILINE)
# Names that stand for a larger set of characters in what people save.
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "big5": "big5hkscs",
    "iso-8859-1": "cp1252",
}


_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


class HtmlLoader(Loader):
    """One page without a number: the main text, without menus, scripts and styles."""

    format = "html"
    suffixes = (".html", ".htm", ".xhtml", ".shtml")
    media_type = "text/html"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the content begins as HTML does, or is text with tags under a name of HTML."""
        if signature(head) is not None or not is_text(head):
            return False
        plain = head.replace(b"\x00", b"")
        named = name.lower().endswith(self.suffixes)
        if named:
            return bool(_TAGS.search(plain) or _SOME_TAG.search(plain))
        opening = _TAGS.search(plain[:1024])
        return opening is not None and plain.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the only page."""
        options.check_cancelled()
        yield html_page(path.read_bytes())
        options.page_done(1, 1)


class MhtmlLoader(Loader):
    """A saved page with its pictures: the page's text."""

    format = "mhtml"
    suffixes = (".mht", ".mhtml")
    media_type = "multipart/related"

    def recognises(self, head: bytes, path: Path, name: str) -> bool:  # noqa: ARG002
        """Whether the header of the MIME message says that a page and what belongs to it follow."""
        found = MIME_START.match(head)
        return found is not None and b"multipart/related" in found[0].lower() and not is_mail(found[0])

    def pages(self, path: Path, options: LoadOptions) -> Iterator[Page]:
        """Yield the only page; frames of the page follow in it."""
        options.check_cancelled()
        blocks: list[Block] = []
        problems: list[Problem] = []
        with parser_errors():
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
            for part in message.walk():
                if part.get_content_type() in ("text/html", "application/xhtml+xml"):
                    page = html_page(part_bytes(part), charset=part.get_param("charset"))
                    blocks.extend(page.blocks)
                    problems.extend(page.problems)
        if not blocks:
            raise DamagedFileError("The saved page holds no HTML.")
        yield Page(None, tuple(blocks), tuple(problems))
        options.page_done(1, 1)


def html_page(data: bytes, *, charset: object = None, whole: bool = False, title: bool = True) -> Page:
    """Parse HTML; `charset` is the encoding that a message's header states.

    `whole` and `title` are those of `html_blocks`.
    """
    text, problems = decode_html(data, charset=charset)
    tree, deep = parse_html(text)
    if deep:
        message = "The tags are nested too deeply; the text was read without its structure."
        return Page(None, tuple(bare_text(text)), (*problems, Problem("nested_too_deeply", message)))
    return Page(None, () if tree is None else tuple(html_blocks(tree, whole=whole, title=title)), problems)


def decode_html(data: bytes, *, charset: object = None) -> tuple[str, tuple[Problem, ...]]:
    """Decode by byte order mark, then by what is stated, if it fits, else by the bytes themselves."""
    stated = [charset] if isinstance(charset, str) else []
    for pattern in (_XML_ENCODING, _CHARSET):
        found = pattern.search(data[:_CHARSET_WITHIN])
        if found:
            stated.append(found[1].decode("ascii"))
    if not data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        for name in stated:
            # A page that can be searched for its own statement in ASCII is not UTF-16.
            encoding = _WIDER.get(name.lower(), name.lower())
            if encoding.startswith("utf-16") or encoding == "cp1252":
                continue
            try:
                return data.decode(encoding), ()
            except (LookupError, UnicodeError):
                continue
    try:
        decoded = decode(data)
    except UnsupportedFormatError as error:
        raise DamagedFileError("The file holds binary data, not HTML.") from error
    return decoded.text, encoding_problems(decoded)


def is_mail(header: bytes) -> bool:
    """Whether a MIME header is that of a mail: a browser's saved page has no recipient."""
    lines = {line.split(b":")[0].strip().lower() for line in header.split(b"\n")}
    return bool(lines & {b"to", b"received", b"message-id", b"delivered-to", b"return-path", b"cc"})


def part_bytes(part: email.message.Message) -> bytes:
    """The decoded content of a message's part."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return b""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64" and part.defects:
        # Cut short inside a group of four, where the library gives up and returns the code itself.
        code = _NO_BASE64.sub("", str(part.get_payload()))
        code = code[: len(code) - (len(code) % 4 == 1)]
        return base64.b64decode(code + "=" * (-len(code) % 4))
    return payload
